"""What can be set on the command line and changed at run time through the control endpoint."""

from dataclasses import dataclass, field, fields

CDN_UNRANGED_LIMIT = 50_000_000_000  # the real CDN's, hubs answer 400 beyond it
BUCKETS = ("api", "resolvers", "pages")


@dataclass
class Settings:
    url_lifetime: int = 3600  # seconds a signed URL is good for
    cdn_unranged_limit: int = CDN_UNRANGED_LIMIT
    list_page: int = 1000  # most rows of one page of /api/models
    tree_page: int = 1000
    tree_page_expanded: int = 50
    quotas: dict[str, int] = field(default_factory=dict)  # bucket -> requests a window, over the Hub's own numbers
    window: int = 300  # seconds
    ignore_bad_token: bool = False  # treat an unknown token as none, as the Hub was seen to do once
    tokens: dict[str, str] = field(default_factory=dict)  # token -> user name
    registry_private: bool = False  # every model of the Ollama registry asks for a token
    registry_realm: str = ""  # where it sends for one; empty: to itself
    registry_blobs: str = "redirect"  # or "direct": 200 with a Location, as a mirror answers
    registry_url_lifetime: int = 1200  # seconds a signed address of a blob is good for
    modelscope_ranges: str = "200"  # status of a partial answer: "200" as seen there, or "206"
    modelscope_redirect: bool = False  # LFS files come from the CDN

    def update(self, changes: dict) -> None:
        known = {entry.name: entry.type for entry in fields(self)}
        for name, value in changes.items():
            if name not in known or not isinstance(value, known[name] if isinstance(known[name], type) else dict):
                raise ValueError(f"bad setting {name!r}")
        if unknown := changes.get("quotas", {}).keys() - set(BUCKETS):
            raise ValueError(f"unknown buckets {sorted(unknown)}")
        for name, value in changes.items():
            setattr(self, name, value)
