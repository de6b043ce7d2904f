"""What a person can do about a file that could not be ingested, by the code it failed with."""

from collections.abc import Mapping

ADVICE: Mapping[str, str] = {
    "not_audio": "These are no audio files, or empty. Nothing is lost by leaving them; rename what is not music.",
    "no_audio_stream": "Films without sound. Leave them.",
    "undecodable": "Damaged, or protected against copying. Play one elsewhere; if it plays, convert it to FLAC.",
    "too_short": "Less than half a second. Leave them.",
    "silent": "There is nothing to hear. If you hear something, the volume is far below what any player shows.",
    "too_large": "Larger than is read. Raise FACET_TRACK_BYTES or FACET_DECODE_MEMORY_BYTES and ingest again.",
    "timed_out": "The decoder gave nothing for too long. On a slow disk, raise FACET_DECODE_SECONDS and ingest again.",
    "decoder_crashed": "The file takes the decoder down. Convert it to another format.",
    "unreadable": "The file could not be read. Look at its permissions and at the disk, and ingest again.",
}
OTHERWISE = "`facet list --failed` tells more of each file; ingest again once it is mended."


def advice_for(code: str) -> str:
    """What to do about files that failed with this code."""
    return ADVICE.get(code, OTHERWISE)
