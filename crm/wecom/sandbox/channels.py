"""Where people come from, and how each channel turns out."""

from dataclasses import dataclass

from .dice import Weighted

SCAN, LINK, CARD, COLLEAGUE = 1, 16, 3, 201


@dataclass(frozen=True)
class Channel:
    """`loses` is the share that deletes the agent, `within` days on average."""

    state: str
    tag: str
    share: float
    add_way: int
    loses: float
    within: float
    joins_group: float
    chats: float  # Chat days on average.
    buys: float
    booked_before: float = 0.0
    member: float = 0.35  # Already a member of the travel company when adding.


CHANNELS = [
    Channel("xhs-guide", "小红书", 20, LINK, 0.13, 20, 0.42, 2.2, 0.15),
    Channel("douyin-live", "抖音", 22, LINK, 0.22, 12, 0.34, 1.6, 0.08),
    Channel("hotel-order", "酒店订单", 12, SCAN, 0.06, 25, 0.38, 2.0, 0.26, 1.0, 1.0),
    Channel("flight-order", "机票订单", 12, SCAN, 0.08, 25, 0.30, 1.7, 0.20, 1.0, 1.0),
    Channel("store-code", "门店", 10, SCAN, 0.07, 30, 0.44, 2.6, 0.27, 0.3, 0.7),
    Channel("fission-gift", "裂变", 14, SCAN, 0.48, 1.2, 0.50, 0.7, 0.02),
    Channel("article-end", "推文", 6, LINK, 0.10, 22, 0.33, 1.9, 0.13),
    Channel("friend-referral", "转介绍", 4, CARD, 0.05, 30, 0.55, 3.0, 0.33, 0.1, 0.5),
]
BY_STATE = {channel.state: channel for channel in CHANNELS}
MIX = Weighted(CHANNELS, [channel.share for channel in CHANNELS])
