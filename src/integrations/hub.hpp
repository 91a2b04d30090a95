#pragma once
#include "base/async/task.hpp"
#include "base/crypto/digest.hpp"
#include "base/net/http_client.hpp"
#include "base/net/url.hpp"
#include "base/time/time.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// What every place that offers models has in common. A source is a folder beside this file and one line of
// wiring.
namespace llmm::hubs {

enum class SortOrder { downloads, likes, updated, trending };

struct SearchQuery {
    std::string text = {};
    std::string category = {};  // an id from categories(); empty: all
    std::string format = {};    // "gguf", "safetensors" or empty: all
    SortOrder sort = SortOrder::downloads;
    int limit = 50;
    std::string cursor = {};  // from the page before; empty: the first
    friend bool operator==(const SearchQuery&, const SearchQuery&) = default;
};

// One row of a search. What a hub doesn't say is nullopt, not zero.
struct ModelSummary {
    std::string repo;  // "org/name" in the hub's own spelling
    std::string name;
    std::optional<std::string> author;
    std::optional<std::string> description;
    std::optional<std::int64_t> downloads, likes;
    std::vector<std::string> tags;
    std::optional<std::string> category, license;
    bool gated = false;
    bool is_private = false;
    std::vector<std::string> formats;
    std::optional<TimePoint> updated_at;
};

struct SearchPage {
    std::vector<ModelSummary> models;
    std::string next_cursor;  // empty: no more
    TimePoint fetched_at;     // older than now when it came from a cache
};

struct Category {
    std::string id;
    std::string name;
};

// Exactly as the hub lists it. The path is not checked yet: it becomes a SafePath before anything is written.
struct RemoteFile {
    std::string path;
    std::optional<std::uint64_t> size;
    std::optional<Sha256> sha256;
    std::optional<std::string> git_sha1;  // of a file outside LFS: see git_blob_sha1
};

struct Repository {
    ModelSummary summary;
    std::string revision;  // the commit that everything below belongs to
    std::vector<RemoteFile> files;
    std::optional<std::string> card;  // Markdown, cut at 256 KiB
    // What the source says beyond its files (a prompt template, parameters): a JSON object that the catalogue keeps.
    std::string metadata = "{}";
    // Whether stock llama.cpp can load the GGUF files, where the source has a way of its own to write them.
    std::optional<bool> stock_compatible = std::nullopt;
};

// How to get the bytes of a file now. A URL may expire: ask again, don't store it.
struct RemoteSource {
    Url url;
    SecretString bearer;  // only for this URL's origin
    std::optional<TimePoint> expires_at;
    // What its servers bear for one file, all connections together; nullopt: no limit of their own.
    std::optional<int> max_connections = std::nullopt;
    // ModelScope's form: a range may come as 200 with the right Content-Range and length in place of 206.
    bool ranges_come_as_200 = false;
    bool has_ranges = true;  // false: only the whole file can be asked for
};
struct LocalSource {
    std::filesystem::path path;
};
using FileSource = std::variant<RemoteSource, LocalSource>;

// Throws Error with a HUB_… code. Used from the event loop.
class Hub {
  public:
    virtual ~Hub() = default;
    virtual std::string_view source() const = 0;  // "huggingface", "demo"
    // False: search() and categories() have nothing to ask (a registry without a list of its models).
    virtual bool can_search() const { return true; }
    virtual Task<SearchPage> search(SearchQuery query) = 0;
    virtual Task<std::vector<Category>> categories() = 0;
    // An empty revision means the hub's default branch.
    virtual Task<Repository> repository(std::string repo, std::string revision) = 0;
    // The revision is a commit from repository().
    virtual Task<FileSource> locate(std::string repo, std::string revision, std::string path) = 0;
};

}  // namespace llmm::hubs
