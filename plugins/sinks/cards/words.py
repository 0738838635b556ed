"""The words of the cards, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from gateway import (
    DELIVERY_DEAD,
    EVENT_HELD,
    FILE_COMPLETED,
    FILE_STARTED,
    KEY_EXPIRING,
    RECORDING_ARCHIVED,
    RECORDING_CONFIRMED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_MISSING,
    RECORDING_OVERDUE,
    RECORDING_RECOVERED,
    RECORDING_STARTED,
    RECORDING_UNKNOWN,
    REFUSALS,
    RELOAD_REFUSED,
    SINK_DOWN,
    SINK_UP,
    SOURCE_BACK,
    SOURCE_SILENT,
    STORE_LIMIT,
    STORE_OK,
    STREAM_ENDED,
    STREAM_STARTED,
)

W = TypeVar("W")
Severity = Literal["ok", "info", "warn", "error"]

SEVERITY: Final[Mapping[str, Severity]] = {
    RECORDING_STARTED: "info",
    FILE_STARTED: "info",
    FILE_COMPLETED: "ok",
    RECORDING_ENDED: "info",
    RECORDING_FAILED: "error",
    RECORDING_ARCHIVED: "ok",
    RECORDING_CONFIRMED: "ok",
    RECORDING_MISSING: "error",
    RECORDING_OVERDUE: "error",
    RECORDING_RECOVERED: "ok",
    STREAM_STARTED: "info",
    STREAM_ENDED: "info",
    RECORDING_UNKNOWN: "warn",
    SINK_DOWN: "error",
    SINK_UP: "ok",
    DELIVERY_DEAD: "error",
    SOURCE_SILENT: "error",
    SOURCE_BACK: "ok",
    REFUSALS: "warn",
    STORE_LIMIT: "error",
    STORE_OK: "ok",
    RELOAD_REFUSED: "warn",
    EVENT_HELD: "warn",
    KEY_EXPIRING: "warn",
}
MARKS: Final[Mapping[Severity, str]] = {"ok": "✅", "info": "🔵", "warn": "⚠️", "error": "❌"}
_ORDER: Final[tuple[Severity, ...]] = ("info", "ok", "warn", "error")


def worst(severities: list[Severity]) -> Severity:
    """The one that a message about all of them has."""
    return max(severities, key=_ORDER.index, default="info")


@dataclass(frozen=True, kw_only=True)
class Words:
    """One language. `brief` are labels of at most five characters, for a service that has no room for more."""

    language: str
    titles: Mapping[str, str]
    labels: Mapping[str, str]
    brief: Mapping[str, str]
    severities: Mapping[Severity, str]
    play: str
    download: str
    open: str  # the dashboard's page
    replay: str
    more_files: str  # {count}
    instead: str  # {measured}, {said}
    digest: str  # {count}
    part: str  # {number}
    not_shown: str  # {id}
    links_left_out: str
    units: tuple[str, str, str]  # hours, minutes, seconds
    gap: str  # between the numbers of a duration

    def title(self, type: str) -> str:
        """What happened."""
        return self.titles.get(type, self.titles[RECORDING_UNKNOWN])

    def duration(self, seconds: float) -> str:
        """1h 2m 5s."""
        if not 0 <= seconds < 10**9:
            return f"{seconds:g} s"
        if 0 < seconds < 1:
            return f"{seconds:.1g}{self.units[2]}"
        hours, rest = divmod(round(seconds), 3600)
        amounts = (hours, *divmod(rest, 60))
        parts = [f"{amount}{unit}" for amount, unit in zip(amounts, self.units, strict=True) if amount]
        return self.gap.join(parts) or f"0{self.units[2]}"


ENGLISH: Final = Words(
    language="en",
    titles={
        RECORDING_STARTED: "Recording started",
        FILE_STARTED: "Recording file started",
        FILE_COMPLETED: "Recording file ready",
        RECORDING_ENDED: "Recording ended",
        RECORDING_FAILED: "Recording failed",
        RECORDING_ARCHIVED: "Recording archived",
        RECORDING_CONFIRMED: "Recording confirmed",
        RECORDING_MISSING: "Recording missing",
        RECORDING_OVERDUE: "Recording overdue",
        RECORDING_RECOVERED: "Recording came after all",
        STREAM_STARTED: "Stream started",
        STREAM_ENDED: "Stream ended",
        RECORDING_UNKNOWN: "Unknown recording event",
        SINK_DOWN: "Sink down",
        SINK_UP: "Sink up again",
        DELIVERY_DEAD: "Deliveries given up",
        SOURCE_SILENT: "Source silent",
        SOURCE_BACK: "Source back",
        REFUSALS: "Callbacks refused",
        STORE_LIMIT: "Store nearly full",
        STORE_OK: "Store has room again",
        RELOAD_REFUSED: "Configuration refused",
        EVENT_HELD: "Events held",
        KEY_EXPIRING: "Key about to end",
    },
    labels={
        "stream": "Stream",
        "error": "Error",
        "kind": "Vendor's type",
        "format": "Format",
        "duration": "Duration",
        "size": "Size",
        "picture": "Resolution",
        "started": "Started",
        "ended": "Ended",
        "time": "Time",
        "file": "File",
        "problems": "Unreadable",
        "id": "Event",
        "note": "Note",
        "about": "About",
        "what": "What",
        "cause": "Cause",
        "since": "Since",
        "archived": "Archived to",
        "link_until": "Link until",
        "link_ended": "Link ended",
        "differs": "Not as said",
    },
    brief={
        "format": "Type",
        "duration": "Took",
        "size": "Size",
        "differs": "Came",
        "picture": "Video",
        "started": "From",
        "ended": "To",
        "time": "Time",
        "about": "About",
        "since": "Since",
    },
    severities={"ok": "OK", "info": "Notice", "warn": "Warning", "error": "Failure"},
    play="Play",
    download="Download",
    open="Open",
    replay=" (sent again)",
    more_files="and {count} more",
    instead="{measured}, not {said}",
    digest="{count} recording events",
    part=" ({number})",
    not_shown="a link is too long for this message: gateway events show {id}",
    links_left_out="links left out, for want of room",
    units=("h", "m", "s"),
    gap=" ",
)
CHINESE: Final = Words(
    language="zh",
    titles={
        RECORDING_STARTED: "录制开始",
        FILE_STARTED: "录制文件开始",
        FILE_COMPLETED: "录制文件完成",
        RECORDING_ENDED: "录制结束",
        RECORDING_FAILED: "录制失败",
        RECORDING_ARCHIVED: "录制已归档",
        RECORDING_CONFIRMED: "录制文件已确认",
        RECORDING_MISSING: "录制文件缺失",
        RECORDING_OVERDUE: "录制逾期未到",
        RECORDING_RECOVERED: "录制已补到",
        STREAM_STARTED: "推流开始",
        STREAM_ENDED: "推流结束",
        RECORDING_UNKNOWN: "未知录制事件",
        SINK_DOWN: "投递目标不可用",
        SINK_UP: "投递目标已恢复",
        DELIVERY_DEAD: "投递已放弃",
        SOURCE_SILENT: "来源没有回调",
        SOURCE_BACK: "来源已恢复回调",
        REFUSALS: "回调被拒绝",
        STORE_LIMIT: "存储即将写满",
        STORE_OK: "存储又有空间",
        RELOAD_REFUSED: "配置未被采用",
        EVENT_HELD: "事件被扣留",
        KEY_EXPIRING: "密钥即将失效",
    },
    labels={
        "stream": "流名",
        "error": "错误",
        "kind": "厂商类型",
        "format": "格式",
        "duration": "时长",
        "size": "大小",
        "picture": "分辨率",
        "started": "开始时间",
        "ended": "结束时间",
        "time": "时间",
        "file": "文件",
        "problems": "无法读取",
        "id": "事件",
        "note": "备注",
        "about": "对象",
        "what": "说明",
        "cause": "原因",
        "since": "起始时间",
        "archived": "归档位置",
        "link_until": "链接有效至",
        "link_ended": "链接已失效",
        "differs": "与回调不符",
    },
    brief={
        "format": "格式",
        "duration": "时长",
        "size": "大小",
        "differs": "实收",
        "picture": "分辨率",
        "started": "开始",
        "ended": "结束",
        "time": "时间",
        "about": "对象",
        "since": "起始",
    },
    severities={"ok": "成功", "info": "通知", "warn": "警告", "error": "失败"},
    play="播放",
    download="下载",
    open="打开",
    replay="（重发）",
    more_files="另有 {count} 个",
    instead="{measured}（回调为 {said}）",
    digest="{count} 条录制事件",
    part="（{number}）",
    not_shown="链接过长，本消息放不下：gateway events show {id}",
    links_left_out="篇幅所限，未附链接",
    units=("小时", "分", "秒"),
    gap="",
)


def in_language(language: str, english: W, chinese: W) -> W:
    """What a language tag asks for: Chinese for zh and everything below it, else English."""
    return chinese if language.partition("-")[0] == "zh" else english


def words(language: str) -> Words:
    """The words of a language tag."""
    return in_language(language, ENGLISH, CHINESE)


def size(octets: int) -> str:
    """Bytes in a unit that people read: 3.96 MB."""
    for unit, length in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if octets >= length:
            return f"{octets / length:.3g} {unit}" if octets < 1000 * length else f"{octets / length:.0f} {unit}"
    return f"{octets} B"
