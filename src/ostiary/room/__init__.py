"""What a room gives to the application: the value `Room`, and the services it is given to make its parts with.

Owns no objects and serves no paths. Must not know any room but those that store and answer. Every `room` module of a
room exports one `ROOM`; `app.rooms` lists them, and the composition root goes through that list.
"""

from ostiary.room.job import MINUTE, GiveUp, Handler, Job
from ostiary.room.measure import Measure, Samples, by_one_label
from ostiary.room.service import MissingService, Service, ServiceRegistry
from ostiary.room.value import Room, Sweeper

__all__ = [
    "MINUTE",
    "GiveUp",
    "Handler",
    "Job",
    "Measure",
    "MissingService",
    "Room",
    "Samples",
    "Service",
    "ServiceRegistry",
    "Sweeper",
    "by_one_label",
]
