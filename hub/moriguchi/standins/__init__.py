"""Stand-ins for the city's legacy systems: each holds its own data, in `var/standins/` of the city's folder.

They know nothing of the hub. 住基 writes its history table, 戸籍 and 国保 export files and 国保 imports them, 水道 is a
small HTTP service, 後期高齢 and 印鑑 own tables that the hub writes into, 介護 imports at night
and answers next morning.
`python -m hub.moriguchi.standins DIR` runs 水道 alone.
"""

from hub.moriguchi.standins.files import read_csv, write_csv
from hub.moriguchi.standins.juki import Juki
from hub.moriguchi.standins.kaigo import Kaigo
from hub.moriguchi.standins.koki import Inkan, Koki
from hub.moriguchi.standins.kokuho import Kokuho
from hub.moriguchi.standins.koseki import Koseki
from hub.moriguchi.standins.shinsei import Shinsei
from hub.moriguchi.standins.suido import Suido

__all__ = ["Inkan", "Juki", "Kaigo", "Koki", "Kokuho", "Koseki", "Shinsei", "Suido", "read_csv", "write_csv"]
