"""Numbers the frames of a source across reconnects, restarts and resumed runs, and knows which ones are done."""

from __future__ import annotations

from mpipeline.sources.source import Source, StreamInfo


class Numbering:
    """`current` is the id of the frame grabbed last; all up to `done` were published or dropped, also earlier on.

    A finite source begins with frame 1 each time it is opened, or behind `done` if it can seek there; a live one goes
    on behind `done`.
    """

    def __init__(self, resume_after: int, resume_pts: float | None, *, restarted: bool, may_seek: bool) -> None:
        self.current = 0
        self.done = resume_after
        self._done_pts = resume_pts
        self._restarted = restarted
        self._may_seek = may_seek
        self._is_live = False
        self._mark = resume_after

    def opened(self, source: Source, info: StreamInfo) -> None:
        """The source was opened and nothing grabbed yet. Raises SourceError if it breaks while it seeks."""
        self._is_live = info.live
        if info.live:
            # A crash lost at least the frame that was being written: its id stays free, so that the gap shows.
            lost = 1 if self._restarted and self.current == 0 and self.done else 0
            self.current = self.done + lost
        else:
            self.current = self.done if self._seeks(source) else 0

    def next_is_new(self) -> bool:
        """Counts the frame that was grabbed; False if it was done before."""
        self.current += 1
        return self._is_live or self.current > self.done

    def finish(self, pts: float | None) -> None:
        """The current frame, with this pts, is done."""
        self.done, self._done_pts = self.current, pts

    def granted(self, resume_after: int) -> bool:
        """All up to `resume_after` turn out to be done. False if the current frame is one of these.

        The frame of a live stream is none: it only takes a later id. One before that stays free, as after a crash: the
        run that is resumed has lost frames.
        """
        if resume_after > self.done:
            self.done, self._done_pts = resume_after, None
            self._mark = max(self._mark, resume_after)
            if self._is_live and self.current <= resume_after:
                self.current = resume_after + 2
        return self.current > resume_after

    def has_advanced(self) -> bool:
        """Whether frames were done since the last call."""
        before, self._mark = self._mark, self.done
        return self.done > before

    def _seeks(self, source: Source) -> bool:
        if not self._may_seek or not self.done or self._done_pts is None:
            return False
        return source.seek(self.done, self._done_pts)
