"""The register of licences and the diary of sites on PostgreSQL."""

from rsmonitor.io.stores.observations import StoredObservations
from rsmonitor.io.stores.postgres.connection import Address
from rsmonitor.io.stores.postgres.schema import OBSERVATIONS_HERE, REGISTER_HERE
from rsmonitor.io.stores.postgres.tables import PostgresTables
from rsmonitor.io.stores.register_database import StoredRegister


class PostgresRegister(StoredRegister):
    """A register on a server; satisfies `rsmonitor.interfaces.LicenceRegister`.

    Parameters
    ----------
    address : Address
        Where.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(PostgresTables(address, REGISTER_HERE))


class PostgresObservations(StoredObservations):
    """Observations on a server; satisfies `rsmonitor.interfaces.Diary`.

    Parameters
    ----------
    address : Address
        Where.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(PostgresTables(address, OBSERVATIONS_HERE))
