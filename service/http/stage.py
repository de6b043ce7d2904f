"""What answers at this moment, and how another bundle is put in its place. `resources` opens it, `changeover` calls it.

A call holds the `Resources` it began with until its end, so it sees one bundle with its index, whatever comes after.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from index.analysis import Analyser
from index.decoder import Decoder
from index.model import ModelBundle
from service.catalogue.repository import Catalogue
from service.clips import ClipListener
from service.indexing.follower import IndexFollower
from service.indexing.rebuilding import snapshots_root
from service.map.drawing import maps_folder
from service.map.keeping import MapKeeper
from service.search.facts_keeper import FactsKeeper
from service.settings import Settings

GLANCE_SECONDS = 0.05


@dataclass(frozen=True)
class Act:
    """A bundle, and all that answers with it.

    Attributes:
        analyser: Of uploaded tracks.
        warming: Reads the facts.
    """

    bundle: ModelBundle
    analyser: Analyser
    clips: ClipListener
    follower: IndexFollower
    facts: FactsKeeper
    maps: MapKeeper
    warming: threading.Thread


class Stage:
    """One per service."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        *,
        clip_decoder: Decoder,
        track_decoder: Decoder,
        places: anyio.CapacityLimiter,
        changed: Callable[[Act], None],
    ) -> None:
        """Nothing answers yet.

        Args:
            settings: Of the service.
            catalogue: What is searched.
            clip_decoder: Of clips that are asked about, whichever bundle hears them.
            track_decoder: Of tracks that are uploaded, likewise.
            places: Of clips that are analysed at the same time.
            changed: Told what answers from now on, in whatever thread.
        """
        self._settings = settings
        self._catalogue = catalogue
        self._clip_decoder = clip_decoder
        self._track_decoder = track_decoder
        self._places = places
        self._changed = changed
        self._act: Act | None = None

    @property
    def act(self) -> Act:
        """What answers."""
        if self._act is None:
            raise RuntimeError("nothing answers before a bundle was opened")
        return self._act

    def open(self, bundle: ModelBundle) -> None:
        """Have a bundle answer, whose index catches up while the service starts."""
        self._begin(self._act_of(bundle))

    def change(self, bundle: ModelBundle, stopping: threading.Event) -> bool:
        """Have another bundle answer as soon as its index is in step with the catalogue.

        Args:
            bundle: Which one.
            stopping: Once it is set, the change is given up.

        Returns:
            Whether it answers now.
        """
        act = self._act_of(bundle)
        while not act.follower.caught_up.is_set() or act.warming.is_alive():
            if stopping.wait(GLANCE_SECONDS):
                self._end(act)
                return False
        before = self.act
        self._begin(act)
        # Questions that were begun with it find its index as it was; it is freed with the last of them.
        before.warming.join()
        before.follower.close()
        return True

    def close(self) -> None:
        """End it."""
        self._end(self.act)

    def _begin(self, act: Act) -> None:
        self._act = act
        self._changed(act)

    def _end(self, act: Act) -> None:
        act.facts.stop()
        act.warming.join()
        act.follower.close()

    def _act_of(self, bundle: ModelBundle) -> Act:
        follower = IndexFollower(
            self._catalogue,
            snapshots_root(self._settings.snapshots_dir, catalogue=self._catalogue, encoder_id=bundle.encoder_id),
            encoder_id=bundle.encoder_id,
            subspaces=bundle.subspaces,
            threads=self._settings.threads,
        )
        facts = FactsKeeper(self._catalogue, encoder_id=bundle.encoder_id)
        excerpts = self._settings.planned_excerpts
        act = Act(
            bundle=bundle,
            analyser=Analyser(bundle, self._track_decoder, excerpts_per_track=excerpts),
            clips=ClipListener(Analyser(bundle, self._clip_decoder, excerpts_per_track=excerpts), places=self._places),
            follower=follower,
            facts=facts,
            maps=MapKeeper(
                maps_folder(self._settings.maps_dir, catalogue=self._catalogue, encoder_id=bundle.encoder_id), bundle
            ),
            warming=threading.Thread(target=facts.warm, name="facts-warmer"),
        )
        follower.start()
        act.warming.start()
        return act
