"""What a person can do about a file that could not be ingested, by the code it failed with."""

from collections.abc import Mapping

ADVICE: Mapping[str, str] = {
    "not_audio": "These are no audio files, or empty. Nothing is lost by leaving them; rename what is not music.",
    "no_audio_stream": "Films without sound. Leave them.",
    "undecodable": "Damaged, or protected against copying. Play one elsewhere; if it plays, convert it to FLAC.",
    "too_short": "Less than half a second. Leave them.",
    "silent": "There is nothing to hear. If you hear something, the volume is far below what any player shows.",
    "too_large": "Larger than is read. Raise FACET_TRACK_BYTES or FACET_DECODE_MEMORY_BYTES and ingest again.",
    "too_long": "Longer than may be uploaded. Ingest them from a folder, or raise FACET_UPLOADED_TRACK_SECONDS.",
    "timed_out": "The decoder gave nothing for too long. On a slow disk, raise FACET_DECODE_SECONDS and ingest again.",
    "decoder_crashed": "The file takes the decoder down. Convert it to another format.",
    "not_found": "They were gone when it was their turn, or are links to nowhere. Nothing is to be done.",
    "not_readable": "The system does not give them. Look at their permissions and at the disk, and ingest again.",
    "path_too_long": "Their names, folders and all, are too long. Move them nearer to the root, and ingest again.",
    "changed_while_read": "They were being written. Ingest again when that is done.",
    "changed": "They are not what was ingested any more. Ingest again: they are taken as they are now.",
    "internal_error": "A mistake of Facet's. Ingest again; if it stays, report what `facet list --failed` says.",
}
OTHERWISE = "`facet list --failed` tells more of each file; ingest again once it is mended."


def advice_for(code: str) -> str:
    """What to do about files that failed with this code."""
    return ADVICE.get(code, OTHERWISE)
