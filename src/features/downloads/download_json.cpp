#include "features/downloads/download_json.hpp"

#include "base/json/json.hpp"
#include "base/json/reader.hpp"

#include <boost/json.hpp>

namespace llmm::downloads {
namespace {

constexpr ObjectReader::IntegerBounds kPriority{-100, 100};
constexpr ObjectReader::IntegerBounds kSpeedLimit{1024, std::int64_t{1} << 40};

template <class T>
json::value or_null(const std::optional<T>& value) {
    return value ? json::value_from(*value) : json::value(nullptr);
}

json::value digest_or_null(const std::optional<Sha256>& digest) {
    return digest ? json::value(digest->hex()) : json::value(nullptr);
}

std::optional<std::string> text_at(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    if (!value || !value->is_string()) return std::nullopt;
    return std::string(value->get_string());
}

json::array files_json(const Download& download) {
    json::array files;
    for (std::size_t i = 0; i < download.plan.files.size(); ++i) {
        const PlannedFile& file = download.plan.files[i];
        const FileProgress progress = i < download.files.size() ? download.files[i] : FileProgress{};
        files.push_back(json::object{{"path", file.path},
                                     {"size", or_null(file.size)},
                                     {"received", progress.received},
                                     {"status", name_of(progress.status)},
                                     {"sha256", digest_or_null(progress.sha256 ? progress.sha256 : file.sha256)},
                                     {"verified", progress.verified},
                                     {"connections", progress.connections},
                                     {"speed", or_null(progress.speed)},
                                     {"eta_seconds", or_null(progress.eta_seconds)}});
    }
    return files;
}

double progress_of(const Download& download) {
    if (download.status == Status::completed) return 1;
    if (!download.total_size || *download.total_size == 0) return 0;
    return std::min(1.0, static_cast<double>(download.download_size) / static_cast<double>(*download.total_size));
}

std::uint64_t verified_size(const Download& download) {
    std::uint64_t sum = 0;
    for (const FileProgress& file : download.files)
        sum += file.verified;
    return sum;
}

std::optional<std::int64_t> average_speed(const Download& download) {
    if (download.transfer_ms == 0) return std::nullopt;
    return download.download_size * 1000 / download.transfer_ms;
}

}  // namespace

json::object to_json(const Download& download) {
    return {{"id", download.id.str()},
            {"model_id", download.model_id.str()},
            {"ref", download.ref},
            {"task_id", download.task_id ? json::value(download.task_id->str()) : json::value(nullptr)},
            {"status", name_of(download.status)},
            {"phase", download.phase ? json::value(name_of(*download.phase)) : json::value(nullptr)},
            {"progress", progress_of(download)},
            {"download_size", download.download_size},
            {"total_size", or_null(download.total_size)},
            {"download_speed", or_null(download.download_speed)},
            {"eta_seconds", or_null(download.eta_seconds)},
            {"verified_size", verified_size(download)},
            {"average_speed", or_null(average_speed(download))},
            {"connections", download.connections},
            {"source",
             download.source.empty() ? std::string(models::name_of(download.plan.pinned.source)) : download.source},
            {"stock_compatible", or_null(download.plan.stock_compatible)},
            {"priority", download.priority},
            {"speed_limit", or_null(download.speed_limit)},
            {"attempt", download.attempt},
            {"file_path", or_null(download.file_path)},
            {"error_message", or_null(download.error_message)},
            {"error_code", or_null(download.error_code)},
            {"files", files_json(download)},
            {"created_at", to_rfc3339(download.created_at)},
            {"updated_at", to_rfc3339(download.updated_at)}};
}

json::object to_json(const OverallLimit& limit) {
    const auto rate = [](std::uint64_t bytes_per_second) {
        return bytes_per_second == 0 ? json::value(nullptr) : json::value(bytes_per_second);
    };
    return {{"now", rate(limit.now)},
            {"otherwise", rate(limit.otherwise)},
            {"window", limit.window.empty() ? json::value(nullptr) : json::value(limit.window)},
            {"schedule", json::value_from(limit.schedule)}};
}

DownloadRequest parse_download_request(const json::value& body) {
    ObjectReader in(body);
    DownloadRequest request;
    request.ref = in.required_string("ref", {.min_length = 3, .max_length = 2048});
    request.files =
        in.strings("files",
                   {.min_items = 1, .max_items = 64, .item = {.min_length = 1, .max_length = 256}, .unique = true})
            .value_or(std::vector<std::string>{});
    request.priority = static_cast<int>(in.integer("priority", kPriority).value_or(0));
    request.speed_limit = in.integer("speed_limit", kSpeedLimit);
    if (const auto digest = in.string("sha256", {.max_length = 128})) {
        request.sha256 = Sha256::parse(*digest);
        if (!request.sha256) {
            in.add_problem("sha256", Text{"is no SHA-256", "不是 SHA-256"},
                           Text{"64 hexadecimal digits", "64 个十六进制数字"});
        }
    }
    in.finish();
    return request;
}

DownloadChanges parse_download_changes(const json::value& body) {
    ObjectReader in(body);
    DownloadChanges changes;
    if (const auto priority = in.integer("priority", kPriority)) changes.priority = static_cast<int>(*priority);
    if (in.is_null("priority")) in.add_problem("priority", Text{"can't be null", "不能为 null"});
    const auto limit = in.integer("speed_limit", kSpeedLimit);
    if (in.has("speed_limit")) changes.speed_limit = limit;
    if (!in.has("priority") && !in.has("speed_limit")) {
        in.add_problem("", Text{"changes nothing", "没有任何修改"},
                       Text{"priority, speed_limit", "priority、speed_limit"});
    }
    in.finish();
    return changes;
}

std::string write_plan(const Plan& plan) {
    json::array files;
    for (const PlannedFile& file : plan.files) {
        files.push_back(json::object{{"path", file.path},
                                     {"size", or_null(file.size)},
                                     {"sha256", digest_or_null(file.sha256)},
                                     {"git_sha1", or_null(file.git_sha1)}});
    }
    return json::serialize(json::object{{"ref", plan.pinned.str()},
                                        {"license", or_null(plan.license)},
                                        {"is_public", plan.is_public},
                                        {"stock_compatible", or_null(plan.stock_compatible)},
                                        {"files", std::move(files)}});
}

Plan read_plan(std::string_view text) {
    const json::value value = parse_own_json(text);
    const json::object& object = value.as_object();
    Plan plan{.pinned = models::parse_model_ref(object.at("ref").as_string()),
              .license = text_at(object, "license"),
              .stock_compatible = {},
              .files = {}};
    if (const json::value* open = object.if_contains("is_public"); open && open->is_bool())
        plan.is_public = open->get_bool();
    if (const json::value* mark = object.if_contains("stock_compatible"); mark && mark->is_bool())
        plan.stock_compatible = mark->get_bool();
    for (const json::value& item : object.at("files").as_array()) {
        const json::object& row = item.as_object();
        PlannedFile file{.path = std::string(row.at("path").as_string()),
                         .size = {},
                         .sha256 = {},
                         .git_sha1 = text_at(row, "git_sha1")};
        if (const json::value& size = row.at("size"); !size.is_null()) file.size = size.to_number<std::uint64_t>();
        if (const auto digest = text_at(row, "sha256")) file.sha256 = Sha256::parse(*digest);
        plan.files.push_back(std::move(file));
    }
    return plan;
}

}  // namespace llmm::downloads
