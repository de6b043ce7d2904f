"""A file as FFmpeg opens it, and of its streams the one that is heard: packets for `ffmpeg_waveform` to decode."""

import os
from collections.abc import Iterator, Mapping
from fractions import Fraction
from io import FileIO

import av
import av.error
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Discard

from index.waveform import AudioError, AudioErrorCode

# Demuxers that keep their sound in the one file and open no other. Playlists, concat scripts, HLS and DASH manifests
# (which name other files and hosts) and image readers are not among them.
DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,iff,loas,matroska,mlp,mov,mp3,mpc,mpc8,mpeg,mpegts,nut,"
    "ogg,oma,qoa,rm,shn,tak,truehd,tta,voc,w64,wav,wv,xwma"
)

# Their packets carry their own times, so a seek lands where it says. Elsewhere (MP3, ADTS) FFmpeg guesses the length
# from the bit rate, and some of its seeks too; there packets are counted. In Ogg it knows the times of the packets
# behind a seek only for the two codecs that everybody uses.
TIMED_CONTAINERS = frozenset(
    ("aiff", "asf", "au", "caf", "flac", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "ogg", "tta", "w64", "wav", "wv")
)

SEEKABLE_IN_OGG = frozenset(("opus", "vorbis"))

_OGG_PAGE_BYTES = 65_307  # the longest page: 27 + 255 bytes of header, 255 * 255 of content


class FFmpegContainer:
    """An open container, at its beginning.

    Args:
        file: A regular file; it stays open when the container is closed.
        name: For messages.

    Attributes:
        stream: The sound that is heard; packets of others are dropped.
        codec: Its decoder.
        time_base: Seconds to a tick of its times.

    Raises:
        AudioError: not_audio, no_audio_stream or undecodable.
    """

    def __init__(self, file: FileIO, name: str) -> None:
        self._file = file
        try:
            # By descriptor, so that the name's ending says nothing, and no file within a file can be named.
            file.seek(0)
            self._container = av.open(
                "fd:",
                metadata_errors="surrogateescape",
                options={"fd": str(file.fileno()), "protocol_whitelist": "fd", "format_whitelist": DEMUXERS},
            )
        except MemoryError:
            raise
        except av.error.FFmpegError as error:
            # The file is open: whatever errno a demuxer chooses, it speaks of the content.
            raise AudioError(AudioErrorCode.NOT_AUDIO, f"{name} is in no audio format known here") from error
        stream = self._container.streams.best("audio")
        if not isinstance(stream, AudioStream):
            self._container.close()
            raise AudioError(AudioErrorCode.NO_AUDIO_STREAM, f"{name} holds no audio")
        if stream.codec_context is None:
            self._container.close()
            raise AudioError(AudioErrorCode.UNDECODABLE, f"{name}: there is no decoder for its codec")
        for other in self._container.streams:
            if other is not stream:
                other.discard = Discard.all
        stream.codec_context.thread_count = 1
        self.stream = stream
        self.codec = stream.codec_context
        self.time_base = stream.time_base or Fraction(1, av.time_base)

    @property
    def tags(self) -> Mapping[str, str]:
        """What the file says of itself."""
        # Ogg's tags belong to the stream; elsewhere a stream's title is something like "Stereo".
        return self.stream.metadata if self._container.format.name == "ogg" else self._container.metadata

    @property
    def is_seekable(self) -> bool:
        """Whether a seek lands where it says."""
        name = self._container.format.name
        return name in TIMED_CONTAINERS and (name != "ogg" or self.codec.name in SEEKABLE_IN_OGG)

    def claimed_samples(self, sample_rate: int) -> int | None:
        """Length according to the header, at this rate."""
        if self.stream.duration is not None:
            return round(self.stream.duration * self.time_base * sample_rate)
        if self._container.duration is not None:
            return round(self._container.duration * sample_rate / av.time_base)
        return None

    def packets(self) -> Iterator["Packet[AudioStream]"]:
        """The stream's packets from here on, at last an empty one that drains the decoder.

        Raises:
            av.error.FFmpegError: If the container is damaged here.
        """
        return self._container.demux(self.stream)

    def seek(self, tick: int) -> bool:
        """Go to a time of the stream's or before it; where that was is for the next packet to tell.

        Returns:
            False if FFmpeg refuses.
        """
        try:
            self._container.seek(tick, stream=self.stream)
        except MemoryError:
            raise
        except av.error.FFmpegError:
            return False
        return True

    def is_chained(self) -> bool:
        """Whether this is several Ogg files one behind the other, each with a clock of its own (radio recordings)."""
        if self._container.format.name != "ogg":
            return False
        descriptor = self._file.fileno()
        first = os.pread(descriptor, _OGG_PAGE_BYTES, 0)
        last = os.pread(descriptor, _OGG_PAGE_BYTES, max(0, os.fstat(descriptor).st_size - _OGG_PAGE_BYTES))
        # A page starts with the word OggS; its bytes 14 to 17 name the stream it belongs to.
        page = last.rfind(b"OggS")
        return page < 0 or last[page + 14 : page + 18] != first[14:18]

    def close(self) -> None:
        """Give FFmpeg's memory back."""
        self._container.close()
