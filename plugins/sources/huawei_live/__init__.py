"""Recording callbacks of Huawei Cloud Live."""

from plugins.sources.huawei_live.options import HuaweiLiveOptions
from plugins.sources.huawei_live.source import HuaweiLive

__all__ = ["HuaweiLive", "HuaweiLiveOptions"]
