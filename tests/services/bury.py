"""What only time brings about after a kill -9: its leases run out, and Kafka's group forgets it."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, GroupLoadInProgressError
from aiokafka.protocol.group import LeaveGroupRequest


def expire_leases(url: str) -> None:
    """Let every receiver's lease run out, as it does ten seconds after its owner has died."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE receiver SET until = 0")
    engine.dispose()


def forget_members(bootstrap: str, group: str) -> None:
    """Let the group forget its members, as it does some seconds after the last heartbeat of dead ones."""
    asyncio.run(_forget(bootstrap, group))


async def _forget(bootstrap: str, group: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        coordinator = await _coordinator(admin, group)
        for member in await _members(admin, group):
            await admin._send_request(LeaveGroupRequest(group, member), coordinator)
    finally:
        await admin.close()


async def _coordinator(admin: AIOKafkaAdminClient, group: str) -> int:
    """Return the broker that keeps the group; a new one makes its keeper when it is first asked for one."""
    for _ in range(200):
        try:
            return int(await admin.find_coordinator(group))
        except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError):
            await asyncio.sleep(0.05)
    raise AssertionError(f"nobody keeps the group {group}")


async def _members(admin: Any, group: str) -> list[str]:
    (answer,) = await admin.describe_consumer_groups([group])
    return [member[0] for described in answer.groups for member in described[5]]
