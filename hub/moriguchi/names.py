"""Tables from which sample residents' names and addresses are composed; nobody's data stands behind them.

A surname is two kanji with their readings, a given name likewise: many results exist as names, as any plausible
one does, but no resident was taken from anywhere. Towns and postal codes are from Japan Post's public list of 守口市,
neighbouring municipalities are 全国地方公共団体コード with their check digit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

Part = tuple[str, str]  # kanji, katakana


def _parts(text: str) -> tuple[Part, ...]:
    return tuple((pair.split(":")[0], pair.split(":")[1]) for pair in text.split())


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SURNAME_FIRST = _parts(
    "松:マツ 竹:タケ 梅:ウメ 藤:フジ 桜:サクラ 石:イシ 岩:イワ 森:モリ 山:ヤマ 北:キタ 西:ニシ 南:ミナミ 大:オオ "
    "中:ナカ 高:タカ 長:ナガ 安:ヤス 福:フク 吉:ヨシ 古:フル 青:アオ 白:シラ 杉:スギ 水:ミズ 土:ツチ 秋:アキ "
    "春:ハル 今:イマ 平:ヒラ 上:ウエ"
)
SURNAME_SECOND = _parts(
    "田:ダ 川:カワ 山:ヤマ 野:ノ 村:ムラ 本:モト 井:イ 木:キ 沢:ザワ 島:シマ 岡:オカ 原:ハラ 橋:ハシ 崎:サキ "
    "谷:タニ 口:グチ 尾:オ 浦:ウラ 瀬:セ 枝:エダ 宮:ミヤ 倉:クラ"
)
MALE_FIRST = _parts(
    "健:ケン 直:ナオ 和:カズ 正:マサ 義:ヨシ 英:ヒデ 雅:マサ 拓:タク 悠:ユウ 陽:ハル 晴:ハル 智:トモ 裕:ヒロ "
    "隆:タカ 俊:トシ 哲:テツ 光:ミツ 康:ヤス 秀:ヒデ 達:タツ 知:トモ 敏:トシ"
)
MALE_SECOND = _parts(
    "太:タ 介:スケ 也:ヤ 斗:ト 之:ユキ 樹:キ 人:ト 平:ヘイ 夫:オ 雄:オ 彦:ヒコ 明:アキ 朗:ロウ 志:シ 紀:ノリ 哉:ヤ"
)
FEMALE_FIRST = _parts(
    "美:ミ 由:ユ 恵:エ 真:マ 優:ユ 智:チ 千:チ 直:ナオ 佳:ヨシ 友:トモ 彩:アヤ 陽:ハル 結:ユ 菜:ナ 沙:サ 理:リ "
    "明:アキ 幸:ユキ 和:カズ 久:ヒサ 敏:トシ 早:サ"
)
FEMALE_SECOND = _parts(
    "子:コ 美:ミ 香:カ 奈:ナ 恵:エ 代:ヨ 江:エ 乃:ノ 花:カ 音:ネ 里:リ 穂:ホ 衣:イ 葉:ハ 帆:ホ 紀:キ"
)

# 町名 and 郵便番号 of 守口市.
TOWNS: tuple[Part, ...] = _parts(
    "佐太西町:5700001 佐太中町:5700002 大日町:5700003 淀江町:5700004 八雲中町:5700005 八雲西町:5700006 "
    "下島町:5700007 八雲北町:5700008 大庭町:5700009 金田町:5700011 大久保町:5700012 東町:5700013 藤田町:5700014 "
    "梶町:5700015 大日東町:5700016 佐太東町:5700017 八雲東町:5700021 暁町:5700022 日向町:5700023 神木町:5700024 "
    "竜田通:5700025 松月町:5700026 桜町:5700027 本町:5700028 来迎町:5700029 橋波東之町:5700031 菊水通:5700032 "
    "大宮通:5700033 西郷通:5700034 東光町:5700035 大枝東町:5700036 大枝北町:5700037 河原町:5700038 "
    "橋波西之町:5700039 東郷通:5700041 寺方錦通:5700042 南寺方東通:5700043 南寺方南通:5700044 南寺方中通:5700045 "
    "南寺方北通:5700046 寺方元町:5700047 寺方本通:5700048 大枝南町:5700051 松下町:5700052 高瀬町:5700053 "
    "大枝西町:5700054 春日町:5700055 寺内町:5700056 小春町:5700061 馬場町:5700062 大門町:5700063 長池町:5700064 "
    "滝井元町:5700065 梅園町:5700066 祝町:5700071 早苗町:5700072 土居町:5700073 文園町:5700074 紅屋町:5700075 "
    "滝井西町:5700076 寿町:5700077 平代町:5700078 金下町:5700079 日吉町:5700081 豊秀町:5700082 京阪本通:5700083 "
    "緑町:5700084 松町:5700085 竹町:5700086 梅町:5700087 北斗町:5700091 日光町:5700092 浜町:5700093 "
    "京阪北本通:5700094 八島町:5700095 外島町:5700096 桃町:5700097 新橋寺町:5700098"
)
WITH_CHOME = _words(
    "佐太西町 佐太中町 大日町 八雲中町 八雲西町 八雲北町 大庭町 金田町 大久保町 東町 藤田町 梶町 佐太東町 八雲東町 "
    "竜田通 本町 橋波東之町 菊水通 大宮通 西郷通 東光町 橋波西之町 東郷通 寺方錦通 南寺方東通 南寺方南通 "
    "南寺方中通 南寺方北通 寺方元町 寺方本通 高瀬町 寺内町 馬場町 滝井元町 滝井西町 金下町 日吉町 豊秀町 京阪本通 "
    "浜町"
)
NEIGHBOURS: tuple[tuple[str, str], ...] = (
    ("大阪府門真市", "272230"),
    ("大阪府寝屋川市", "272159"),
    ("大阪府東大阪市", "272272"),
    ("大阪府大阪市旭区", "271179"),
    ("大阪府大阪市鶴見区", "271241"),
    ("京都府京都市伏見区", "261092"),
    ("奈良県奈良市", "292010"),
)
_BLOCK = 5  # a town with 丁目 has this many in the sample


def surname(random: Random) -> Part:
    """Return a surname as (kanji, katakana)."""
    return _join(random, SURNAME_FIRST, SURNAME_SECOND)


def given_name(random: Random, sex: str) -> Part:
    """Return a given name as (kanji, katakana); `sex` is `male` or `female`."""
    if sex == "male":
        return _join(random, MALE_FIRST, MALE_SECOND)
    return _join(random, FEMALE_FIRST, FEMALE_SECOND)


def address(random: Random) -> tuple[str, str, str]:
    """Return an address inside the city as (text, postal code without hyphen, town)."""
    town, postal_code = TOWNS[int(random.random() * len(TOWNS))]
    number = f"{1 + int(random.random() * 20)}番{1 + int(random.random() * 30)}号"
    chome = f"{1 + int(random.random() * _BLOCK)}丁目" if town in WITH_CHOME else ""
    return f"大阪府守口市{town}{chome}{number}", postal_code, town


def outside(random: Random) -> tuple[str, str]:
    """Return an address outside the city as (text, municipality code of six digits)."""
    place, code = NEIGHBOURS[int(random.random() * len(NEIGHBOURS))]
    return f"{place}本町{1 + int(random.random() * 9)}番{1 + int(random.random() * 30)}号", code


def _join(random: Random, first: tuple[Part, ...], second: tuple[Part, ...]) -> Part:
    a = first[int(random.random() * len(first))]
    b = second[int(random.random() * len(second))]
    while b[0] == a[0]:  # 山山, 美美: nobody is called that
        b = second[int(random.random() * len(second))]
    return a[0] + b[0], a[1] + b[1]
