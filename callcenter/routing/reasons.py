"""The lists agents choose from: why people call, why a pause is taken. Pure."""

from __future__ import annotations

from datetime import timedelta

from callcenter.routing.book import Book, Provider, Reason

CALL_REASONS = (
    Reason("no-internet", "Немає інтернету", "No internet"),
    Reason("slow-internet", "Повільний інтернет", "Slow internet"),
    Reason("tv", "Телебачення", "Television"),
    Reason("payment", "Оплата, баланс", "Payment, balance"),
    Reason("router", "Роутер, Wi-Fi", "Router, Wi-Fi"),
    Reason("new-connection", "Нове підключення", "New connection"),
    Reason("outage", "Аварія", "Outage"),
    Reason("other", "Інше", "Other"),
)
"""What a provider counts who has no list of its own."""
PAUSE_REASONS = (
    Reason("break", "Перерва", "Break", timedelta(minutes=15)),
    Reason("lunch", "Обід", "Lunch", timedelta(minutes=45)),
    Reason("training", "Навчання", "Training"),
    Reason("technical", "Технічна", "Technical", timedelta(minutes=30)),
)
"""What agents of a house choose from that has no list of its own."""


def call_reasons(provider: Provider) -> tuple[Reason, ...]:
    """Why this provider's subscribers call: its own list, or the house's."""
    return provider.reasons or CALL_REASONS


def pause_reasons(book: Book) -> tuple[Reason, ...]:
    """Why agents may take a pause, and for how long."""
    return book.pauses or PAUSE_REASONS
