"""The tables as SQLAlchemy models, for the references written the usual way."""

from __future__ import annotations

from sqlalchemy import BigInteger, SmallInteger
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The base of the models."""


class EventRow(Base):
    """An event that was taken in."""

    __tablename__ = "event"
    no: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    id: Mapped[str]
    subject: Mapped[str]
    type: Mapped[str]
    recorded_at: Mapped[int] = mapped_column(BigInteger)
    body: Mapped[bytes]


class DeliveryRow(Base):
    """One event for one system."""

    __tablename__ = "delivery"
    event: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    system: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[int] = mapped_column(SmallInteger)
    at: Mapped[int | None] = mapped_column(BigInteger)
