"""Which of MMA's grooves play a genre here. Read by `backing`.

A groove is named as MMA does: file of its library, then the groove. All are in four. No file of `accompanied.grooves`
is among them, so that what is tested was never heard. Genres that `rendered` does not have keep a model from taking
its six for all there are.
"""

# Genres of `rendered` with the same pace and harmony, for those that only MMA has.
LIKE = {"metal": "rock", "soul": "funk", "hip hop": "funk", "reggae": "country", "latin": "jazz"}

STRAIGHT, TRIPLET = 0.5, 0.66
# Genres whose melodies swing in eighths.
SWINGING = frozenset({"jazz", "blues"})


def _numbered(stem: str, *numbers: int) -> tuple[str, ...]:
    return tuple(f"{stem}{number:02d}" for number in numbers)


GROOVES: dict[str, tuple[str, ...]] = {
    "rock": (
        "pflib/rock1:rock1A",
        "pflib/rock1:rock1B",
        *_numbered("zoom/rock:ROCK", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
        *_numbered("zoom/hrk:HRK", 1, 2, 3, 4, 5),
        *_numbered("zoom/punk:PUNK", 1, 2),
        *_numbered("zoom/beat8:08Beat", 1, 3, 5, 7),
        "stdlib/60srock:60sRock",
        "stdlib/60srock:60sRock1",
        "casio/60srock:60sRock",
        "stdlib/rock-128:Rock128",
        "stdlib/softrock:SoftRock",
        "stdlib/softrock:SoftRock1",
        "stdlib/folkrock:FolkRock",
        "casio/shufflerock:ShuffleRock",
        "casio/digitalrock:DigitalRock",
        "stdlib/50srock:50sRock",
        "casio/poprock1:PopRock1",
        "pflib/slowrock:slowrockA",
        "casio/slowrock:SlowRock",
        "yamaha/w-rock:W-RockMainA",
        "stdlib/rockballad:RockBallad",
    ),
    "electronic": (
        "casio/trance1:Trance1",
        "stdlib/trance:Trance",
        "stdlib/trance:Trance1",
        "alexis/teamtechno:TeamTechno",
        *_numbered("zoom/house:HOUS", 1, 2, 3, 4),
        *_numbered("zoom/techno:TECH", 1, 2, 3, 4, 5, 6, 7),
        *_numbered("zoom/dance:DANC", 1, 2, 3, 4, 5),
        *_numbered("zoom/dnb:DnB", 1, 2, 3, 4),
        "casio/dance1:Dance1",
        "casio/dancepop1:DancePop1",
        "casio/dancepop2:DancePop2",
        "casio/8beatdance:8BeatDance",
        "casio/latinhouse:LatinHouse",
        "casio/ambient1:Ambient1",
        "casio/ambient2:Ambient2",
        *_numbered("zoom/ambient:AMB", 1, 2, 3),
    ),
    "jazz": (
        "yamaha/jazzswing:JazzSwingMainA",
        "yamaha/jazzswing:JazzSwingMainB",
        "yamaha/jazztrio:JazzTrioMainA",
        "yamaha/jazzGrtrio:JazzGrTrioMainA",
        "yamaha/jazzGrtrio:JazzGrTrioMainB",
        "yamaha/jazzbouncy:JazzBouncyMainA",
        "stdlib/bebop:Bebop",
        "stdlib/jazzguitar:JazzGuitar",
        "stdlib/jazzguitar:JazzGuitarWalk",
        "stdlib/easyswing:EasySwing",
        "stdlib/easyswing:EasySwingWalk",
        "stdlib/fastswing:FastSwing",
        "stdlib/fastswing:FastSwingWalk",
        "stdlib/slowjazz:SlowJazz",
        "stdlib/slowjazz:SlowJazzWalk",
        "stdlib/nitejazz:NiteJazz",
        "casio/swing:Swing",
        "casio/slowswing:SlowSwing",
        "casio/middlebigband:MiddleBigBand",
        *_numbered("zoom/jazz:JAZZ", 1, 2, 3, 4, 5, 6),
        "stdlib/gypsyjazz:GypsyJazz",
        "stdlib/bigband:BigBand",
    ),
    "country": (
        "stdlib/countryswing:CountrySwing",
        "stdlib/countryswing:CountrySwing1",
        "stdlib/westernswing:WesternSwing",
        *_numbered("zoom/country:CNTR", 1, 2, 3, 4),
        "zoom/cntry:CNTRY",
        "kara/kwestballad:kwestballadA",
        "kara/kwestballad:kwestballadB",
        "yamaha/jazzcountry:JazzCountryMainA",
        "yamaha/jazzcountry:JazzCountryMainB",
        "stdlib/zydeco:Zydeco",
        "kara/2beatp:2beatpA",
        "kara/2beatp:2beatpB",
    ),
    "blues": (
        "stdlib/blues:Blues",
        "stdlib/blues:Blues1",
        "stdlib/blues:BluesTriple",
        "stdlib/blues128:Blues128",
        "stdlib/boggiewoggie:BoggieWoggie",
        "stdlib/boggiewoggie:BoggieWoggie1",
        "stdlib/boggiewoggie:BoggieWoggie2",
        *_numbered("zoom/blues:BLUS", 1, 2, 3, 5, 6),
        "casio/shuffleboogie:ShuffleBoogie",
        "stdlib/bluefolk:BlueFolk",
        "stdlib/countryblues:CountryBlues",
    ),
    "funk": (
        *_numbered("zoom/funk:FUNK", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
        "stdlib/strut:Strut",
        "stdlib/strut:Strut2",
        "casio/fusion:Fusion",
        "stdlib/lfusion:LFusion",
        *_numbered("zoom/fusion:FUS", 1, 2, 3, 4),
        "casio/16beat1:16Beat1",
        "casio/16beat2:16Beat2",
        "pflib/16beat1:16beat1A",
        *_numbered("zoom/beat16:16Beat", 1, 3, 5, 7),
    ),
    "metal": (
        "pflib/metal1:metal1A",
        "pflib/metal1:metal1B",
        "pflib/metal2:metal2A",
        "casio/heavymetal:HeavyMetal",
        *_numbered("zoom/mtl:MTL", 1, 2, 3, 4),
    ),
    "soul": (
        "casio/60ssoul:60sSoul",
        "casio/soul:Soul",
        "casio/discosoul:DiscoSoul",
        "kara/8beatmotown:8beatmotownA",
        "stdlib/dsoul:DSoul",
        *_numbered("zoom/rnb:RnB", 1, 2, 3, 4),
    ),
    "hip hop": (
        "casio/hip-hop:Hip-Hop",
        "casio/triphop:TripHop",
        "alexis/hiphop:HipHop",
        *_numbered("zoom/hiphop:HIP", 1, 2, 3, 4, 5, 6),
        *_numbered("zoom/trip:TRIP", 1, 2, 3),
    ),
    "reggae": (*_numbered("zoom/reggae:REGG", 1, 2, 3, 4), *_numbered("zoom/ska:SKA", 1, 2, 3), "stdlib/ska:Ska"),
    "latin": (
        "stdlib/bossanova:BossaNova",
        *_numbered("zoom/bossa:BOSSA", 1, 2),
        "stdlib/samba:Samba",
        "stdlib/salsa:Salsa",
        "stdlib/rhumba:Rhumba",
        "stdlib/chacha:ChaCha",
        "stdlib/mambo:Mambo",
        "kara/kbossa:kbossaA",
        *_numbered("zoom/latin:LATN", 1, 2, 3, 4),
    ),
}
