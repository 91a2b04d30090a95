#pragma once
#include "base/crypto/digest.hpp"
#include "base/ids/id.hpp"
#include "base/time/time.hpp"
#include "features/models/model_ref.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The store of the ecosystem: what other programs have on this disk is taken over, what is here is published for them,
// and what nobody wants any more is found.
namespace llmm::store {

enum class Layout { hf_cache, ollama };
enum class ImportSource { path, hf_cache, ollama };
std::string_view name_of(Layout layout);
std::string_view name_of(ImportSource source);
std::optional<Layout> parse_layout(std::string_view text);
std::optional<ImportSource> parse_import_source(std::string_view text);

// A file to take over, and what is known of its content before it is read.
struct ImportFile {
    std::string path;              // in the model
    std::filesystem::path source;  // on this disk
    std::optional<Sha256> sha256;
    std::optional<std::string> git_sha1;
};
struct ImportModel {
    models::ModelRef pinned;
    std::string name;
    std::vector<std::string> tags;
    std::optional<std::string> license;
    std::string metadata = "{}";
    std::vector<ImportFile> files;
};

struct ImportRequest {
    ImportSource source = ImportSource::path;
    std::string path;
    std::string variant;  // of a path; empty: the usual choice
    bool may_copy = false;
};

// What an import did. The ones that were here already count as models, too.
struct ImportResult {
    struct Skipped {
        std::string ref;
        std::string code;
        std::string reason;
    };
    std::vector<std::string> models;  // ids
    std::int64_t already_here = 0;
    std::int64_t reflinks = 0, hard_links = 0, copies = 0;  // files
    std::int64_t bytes = 0;                                 // of files that were not in the store
    std::vector<Skipped> skipped;
};

struct Import {
    ImportId id;
    TaskId task_id;
    ImportRequest request;
    std::optional<ImportResult> result;
    TimePoint created_at{};
};

// What publishing for another program did.
struct LinkResult {
    struct Linked {
        std::string ref;
        std::string name;  // as the other program calls it
    };
    std::vector<Linked> linked;
    std::vector<ImportResult::Skipped> skipped;
    std::int64_t hard_links = 0, symbolic_links = 0;
};

// What nobody refers to any more.
struct Garbage {
    enum class Kind { blob, part, link };
    Kind kind = Kind::blob;
    std::string name;  // a digest, the id of a download that is gone, a path below models/
    std::int64_t size = 0;
};
struct Collection {
    std::vector<Garbage> garbage;
    std::vector<std::string> missing;  // digests that models refer to and the disk lacks
    std::int64_t size = 0;             // of the garbage
    bool dry_run = true;
};

struct StoreFacts {
    std::int64_t blobs = 0, size = 0;
    std::int64_t references = 0, referenced_size = 0;  // as if every model had files of its own
    std::int64_t models = 0;
    std::optional<TimePoint> oldest_verification;
};

}  // namespace llmm::store
