"""Texts to typeset: Article 1 of the Universal Declaration of Human Rights in many scripts, and invented words.

The United Nations' translations of the declaration may be used freely.
"""

from dataclasses import dataclass

from numpy.random import Generator


@dataclass(frozen=True)
class Script:
    """Words of one script.

    `probe` holds letters by which a font that has the script is known; `spaced`: spaces divide words; `mixed`: invented
    words, numbers and signs are strewn in.
    """

    words: tuple[str, ...]
    probe: str
    spaced: bool = True
    mixed: bool = True


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _script(text: str, probe: str, spaced: bool = True) -> Script:
    if spaced:
        return Script(_words(text), probe)
    return Script(tuple(text[i : i + 2] for i in range(0, len(text), 2)), probe, spaced=False)


SCRIPTS = {
    "latin": _script(
        "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience "
        "and should act towards one another in a spirit of brotherhood. Alle Menschen sind frei und gleich an Würde "
        "und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt. Tous les êtres humains naissent libres et "
        "égaux en dignité et en droits. Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
        "aegQW",
    ),
    "cyrillic": _script(
        "Все люди рождаются свободными и равными в своём достоинстве и правах. Они наделены разумом и совестью и "
        "должны поступать в отношении друг друга в духе братства. Всі люди народжуються вільними і рівними.",
        "ждЯ",
    ),
    "greek": _script(
        "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι προικισμένοι με "
        "λογική και συνείδηση.",
        "λθΩ",
    ),
    "han": _script(
        "人人生而自由在尊严和权利上一律平等他们赋有理性和良心并应以兄弟关系的精神相对待", "人生自", spaced=False
    ),
    "kana": _script(
        "すべての人間は生まれながらにして自由でありかつ尊厳と権利とについて平等である人間は理性と良心とを授けられており"
        "互いに同胞の精神をもって行動しなければならない",
        "すべの",
        spaced=False,
    ),
    "hangul": _script(
        "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 이성과 양심을 "
        "부여받았으며 서로 형제애의 정신으로 행동하여야 한다.",
        "모인간",
    ),
    "arabic": _script(
        "يولد جميع الناس أحراراً متساوين في الكرامة والحقوق وقد وهبوا عقلاً وضميراً وعليهم "
        "أن يعامل بعضهم بعضاً بروح الإخاء",
        "بعض",
    ),
    "hebrew": _script(
        "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם כולם חוננו בתבונה ובמצפון "
        "לפיכך חובה עליהם לנהוג איש ברעהו ברוח של אחוה",
        "אבש",
    ),
    "devanagari": _script(
        "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है",
        "समन",
    ),
    "bengali": _script("সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে তাঁদের বিবেক এবং বুদ্ধি আছে", "সমন"),
    "tamil": _script("மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர் அவர்கள் மதிப்பிலும் உரிமைகளிலும் சமமானவர்கள்", "மனத"),
    "telugu": _script("ప్రతిపత్తిస్వత్వముల విషయమున మానవులెల్లరును జన్మతః స్వతంత్రులును సమానులును నగుదురు", "పతమ"),
    "thai": _script("มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิต่างมีเหตุผลและมโนธรรม", "มนษ", spaced=False),
    "khmer": _script("មនុស្សទាំងអស់កើតមកមានសេរីភាពនិងសមភាព", "មនក", spaced=False),
    "burmese": _script("လူတိုင်းသည် တူညီ လွတ်လပ်သော ဂုဏ်သိက္ခာဖြင့် လည်းကောင်း", "လတက"),
    "georgian": _script("ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით", "ყვდ"),
    "armenian": _script("Բոլոր մարդիկ ծնվում են ազատ ու հավասար իրենց արժանապատվությամբ ու իրավունքներով", "Բմծ"),
    "ethiopic": _script("የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው", "የሰው"),
}

_SYLLABLES = _words(
    "ba ce di fo gu ha ji ko lu ma ne pi qua ro su te va wi xe yo zu al en ir on us ing ter con pre est ion the and "
    "str sch ght ck ll mm Br Cl Dr Tr Fl"
)
_MARKS = tuple(".,;:!?-–()[]/&%@#*+=<>{}$€")


def word(rng: Generator, script: Script) -> str:
    """A word of the script, an invented one, a number, or a sign."""
    kind = rng.random()
    if kind < 0.72 or not script.mixed:
        found = script.words[int(rng.integers(len(script.words)))]
        return found.upper() if kind < 0.05 else found
    if kind < 0.85:
        return "".join(_SYLLABLES[int(i)] for i in rng.integers(0, len(_SYLLABLES), int(rng.integers(1, 5))))
    if kind < 0.95:
        number = int(10 ** (6 * rng.random()))
        return f"{number / 100:.2f}" if rng.random() < 0.4 else str(number)
    return _MARKS[int(rng.integers(len(_MARKS)))]


def phrase(rng: Generator, script: Script, length: int) -> str:
    """About `length` words in a row."""
    return (" " if script.spaced else "").join(word(rng, script) for _ in range(length))
