"""The errors that people can do something about. Each message is whole: what is wrong, where, and
what to do next. It never holds a secret.

    RegionalAssetsError
    ├── SettingsError               an environment variable, or what it names
    │   └── NarrativeSettingsError  one of a language model
    ├── ModelError                  a model that cannot be used (intelligence/model_checks.py)
    ├── UnknownRegionError          a region that the model lacks
    ├── StoreError                  Redis cannot be used
    │   └── NoInputsError           … for it has none of the inputs
    ├── PreviousSnapshotError       a stored snapshot that cannot be compared with
    ├── FilesError                  a file that a run cannot write
    ├── InputFilesError             a folder of inputs that cannot be loaded
    └── SeriesError                 a series that cannot be replayed
        └── ReplayError             … because one of its runs failed
"""


class RegionalAssetsError(Exception):
    """The base of them all."""


class SettingsError(RegionalAssetsError, ValueError):
    """An environment variable that cannot be understood; the message names it."""


class NarrativeSettingsError(SettingsError):
    """An environment variable of a language model that is missing or cannot be understood; the
    message never quotes its value."""


class UnknownRegionError(RegionalAssetsError, ValueError):
    """A region id that no region has; the message lists the ids that exist."""


class StoreError(RegionalAssetsError):
    """The store cannot be used; the message names the server (never a password) and what to do
    next."""


class NoInputsError(StoreError):
    """None of the inputs is there or held, so that a snapshot would say nothing."""


class PreviousSnapshotError(RegionalAssetsError, ValueError):
    """A region's stored snapshot that cannot be compared with."""


class FilesError(RegionalAssetsError):
    """A file that cannot be written: in one line its address, the cause and what to do."""


class InputFilesError(RegionalAssetsError, ValueError):
    """A folder that cannot be loaded; the message names the file and what is wrong with it."""


class SeriesError(RegionalAssetsError, ValueError):
    """A series that cannot be replayed; the message names the file and what is wrong with it."""


class ReplayError(SeriesError):
    """A run of the replay failed; the message gives the time and the reason."""


# Why a store cannot be opened.
STORE_ERRORS = (StoreError, SettingsError)
