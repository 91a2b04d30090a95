#include "features/models/hub_service.hpp"

#include "base/log/log.hpp"
#include "features/models/hub_merge.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace llmm::models {

namespace {

// Questions that go on after their asker stopped waiting: each ends by itself, and a dead hub must not collect them.
constexpr std::size_t kMaxFlights = 64;

// Whose repositories bear the same names, and who list the same digests.
std::optional<Source> twin_of(Source source) {
    if (source == Source::huggingface) return Source::modelscope;
    if (source == Source::modelscope) return Source::huggingface;
    return std::nullopt;
}

[[noreturn]] void bad_cursor() {
    throw Error(ErrorCode::validation_failed, Text{"the cursor is not one of this list", "游标不属于此列表"},
                {{"cursor", FieldProblem{Text{"is not one of this list", "不属于此列表"}}}});
}

}  // namespace

bool is_no_answer(ErrorCode code) {
    return code == ErrorCode::hub_unreachable || code == ErrorCode::hub_rate_limited ||
           code == ErrorCode::hub_bad_response;
}

// One question to one source. Owned by whoever asks and by the coroutine that waits for the hub.
template <class Answer>
struct HubService::Flight {
    SourceReport report;
    std::optional<Answer> answer;
    bool is_over = false;
};

HubService::HubService(asio::any_io_executor executor, std::vector<hubs::Hub*> hubs, std::vector<Mirror> mirrors,
                       Settings settings)
    : mirrors_(std::move(mirrors)), settings_(settings), group_(executor), landed_(executor) {
    for (hubs::Hub* hub : hubs) {
        if (const auto source = parse_source(hub->source())) hubs_[*source] = hub;
    }
}

hubs::Hub& HubService::hub(Source source) {
    if (const auto found = hubs_.find(source); found != hubs_.end()) return *found->second;
    std::string names;
    for (const auto& [known, hub] : hubs_)
        names += fmt::format("{}{}", names.empty() ? "" : ", ", name_of(known));
    throw Error(ErrorCode::validation_failed, Text{"this version can't fetch from that source", "当前版本不支持该来源"},
                {{"source", FieldProblem{Text{"is none of the possible values", "不是可用的值"}, Text{names, names}}}});
}

Task<hubs::SearchPage> HubService::search(Source source, hubs::SearchQuery query) {
    hubs::Hub& asked = hub(source);
    if (!asked.can_search()) {
        std::string names = "all";
        for (const auto& [known, hub] : hubs_) {
            if (hub->can_search()) names += fmt::format(", {}", name_of(known));
        }
        throw Error(ErrorCode::validation_failed,
                    Text::format("{0} has no search: give a model's name, such as ollama:llama3.2:1b",
                                 "{0} 不提供搜索：请直接给出模型名，例如 ollama:llama3.2:1b", name_of(source)),
                    {{"source", FieldProblem{Text{"has no search", "不提供搜索"}, Text{names, names}}}});
    }
    return asked.search(std::move(query));
}

template <class Answer>
Task<> HubService::fly(std::shared_ptr<Flight<Answer>> flight, Task<Answer> question) {
    try {
        flight->answer = co_await std::move(question);
        flight->report.status = SourceReport::Status::ok;
    } catch (const Error& error) {
        flight->report.status = SourceReport::Status::failed;
        flight->report.code = error.code();
        flight->report.message = error.message();
    }
    flight->is_over = true;
    landed_.notify();
}

template <class Answer>
Task<> HubService::wait_for_all(std::vector<std::shared_ptr<Flight<Answer>>> flights) {
    const auto deadline = std::chrono::steady_clock::now() + settings_.patience;
    const auto is_over = [](const auto& flight) { return flight->is_over; };
    while (!std::ranges::all_of(flights, is_over)) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0 || !co_await landed_.wait_for(left)) break;
    }
}

Task<FoundPage> HubService::search_all(hubs::SearchQuery query) {
    ListPositions from;
    if (!query.cursor.empty()) {
        const auto positions = decode_positions(query.cursor);
        if (!positions) bad_cursor();
        from = *positions;
    }
    FoundPage found;
    std::vector<std::shared_ptr<Flight<hubs::SearchPage>>> flights;
    for (const auto& [source, hub] : hubs_) {
        if (!hub->can_search()) {
            if (source == Source::ollama && from.empty()) {
                found.sources.push_back({.source = source,
                                         .status = SourceReport::Status::unsupported,
                                         .fetched_at = {},
                                         .message = Text{"the registry has no search: give a model's name, such as "
                                                         "ollama:llama3.2:1b",
                                                         "该仓库不提供搜索：请直接给出模型名，例如 ollama:llama3.2:1b"},
                                         .code = {}});
            }
            continue;
        }
        hubs::SearchQuery own = query;
        own.cursor.clear();
        if (!from.empty()) {
            const auto position = from.find(source);
            if (position == from.end()) continue;  // its list has ended
            own.cursor = position->second.cursor;
        }
        auto flight = std::make_shared<Flight<hubs::SearchPage>>();
        flight->report.source = source;
        flight->report.status = SourceReport::Status::slow;
        flight->report.message =
            Text{"it did not answer in time; its answer will be there soon", "未及时应答，稍后即可获得结果"};
        flights.push_back(flight);
        if (group_.size() < kMaxFlights) group_.spawn("search", fly(flight, hub->search(std::move(own))));
    }
    co_await wait_for_all(flights);

    std::map<Source, hubs::SearchPage> pages;
    for (const auto& flight : flights) {
        if (!flight->answer) continue;
        flight->report.message.reset();
        flight->report.fetched_at = flight->answer->fetched_at;
        pages[flight->report.source] = *flight->answer;
    }
    const MergedPage merged = merge_pages(pages, from, query.sort, static_cast<std::size_t>(query.limit));
    for (const MergedRow& row : merged.rows)
        found.models.push_back({row.source, *row.model});
    for (const auto& flight : flights) {
        flight->report.count =
            static_cast<std::size_t>(std::ranges::count(merged.rows, flight->report.source, &MergedRow::source));
        found.sources.push_back(flight->report);
    }
    if (!merged.next.empty()) found.next_cursor = encode_positions(merged.next);
    co_return found;
}

Task<std::vector<hubs::Category>> HubService::all_categories() {
    std::vector<std::shared_ptr<Flight<std::vector<hubs::Category>>>> flights;
    for (const auto& [source, hub] : hubs_) {
        if (!hub->can_search() || group_.size() >= kMaxFlights) continue;
        flights.push_back(std::make_shared<Flight<std::vector<hubs::Category>>>());
        group_.spawn("categories", fly(flights.back(), hub->categories()));
    }
    co_await wait_for_all(flights);
    std::vector<hubs::Category> categories;
    for (const auto& flight : flights) {
        if (!flight->answer) continue;
        for (const hubs::Category& category : *flight->answer) {
            if (std::ranges::find(categories, category.id, &hubs::Category::id) == categories.end())
                categories.push_back(category);
        }
    }
    co_return categories;
}

Task<std::vector<FilePlace>> HubService::other_places(ModelRef pinned, std::string path, std::optional<Sha256> digest,
                                                      std::optional<std::uint64_t> size) {
    std::vector<FilePlace> places;
    for (const Mirror& mirror : mirrors_) {
        if (mirror.of != pinned.source) continue;
        places.push_back(
            {mirror.hub, pinned.repo, pinned.revision, path, fmt::format("{} ({})", name_of(mirror.of), mirror.host)});
    }
    const auto other = settings_.may_ask_twin ? twin_of(pinned.source) : std::nullopt;
    const auto found = other && digest ? hubs_.find(*other) : hubs_.end();
    if (found == hubs_.end()) co_return places;
    try {
        const hubs::Repository repository = co_await found->second->repository(pinned.repo, "");
        const auto file = std::ranges::find(repository.files, digest, &hubs::RemoteFile::sha256);
        // Whose listing tells another size for the same bytes has made an error, and nobody knows which of the two.
        if (file != repository.files.end() && (!size || !file->size || *file->size == *size)) {
            places.push_back({found->second, repository.summary.repo, repository.revision, file->path,
                              std::string(name_of(*other))});
        }
    } catch (const Error& error) {
        log::debug("another source can't be asked", {{"source", name_of(*other)}, {"error", error.message().en}});
    }
    co_return places;
}

Task<hubs::Repository> HubService::repository(const ModelRef& ref) {
    std::optional<Error> failure;
    try {
        co_return co_await hub(ref.source).repository(ref.repo, ref.revision);
    } catch (const Error& error) {
        if (!is_no_answer(error.code())) throw;
        failure = error;
    }
    for (const Mirror& mirror : mirrors_) {
        if (mirror.of != ref.source) continue;
        try {
            hubs::Repository repository = co_await mirror.hub->repository(ref.repo, ref.revision);
            log::warning("a mirror answers for a hub", {{"mirror", mirror.host}, {"reason", failure->message().en}});
            co_return repository;
        } catch (const Error& error) {
            log::debug("a mirror can't be asked", {{"mirror", mirror.host}, {"error", error.message().en}});
        }
    }
    throw Error(*std::move(failure));
}

Task<RemoteModel> HubService::resolve(ModelRef ref) {
    RemoteModel model;
    model.repository = co_await repository(ref);
    std::vector<formats::ListedFile> files;
    for (const hubs::RemoteFile& file : model.repository.files)
        files.push_back({file.path, file.size});
    model.content = formats::find_variants(files);
    model.chosen = formats::choose_variant(model.content.variants, ref.variant);
    if (!model.chosen && !ref.variant.empty() && !model.content.variants.empty()) {
        std::string names;
        for (const formats::Variant& variant : model.content.variants) {
            names += fmt::format("{}{}", names.empty() ? "" : ", ", variant.name);
        }
        throw Error(
            ErrorCode::validation_failed, Text::format("{} has no variant {}", "{} 没有变体 {}", ref.repo, ref.variant),
            {{"ref", FieldProblem{Text{"names a variant that is not there", "指定的变体不存在"}, Text{names, names}}}});
    }
    model.pinned = {.source = ref.source,
                    .repo = model.repository.summary.repo,
                    .revision = model.repository.revision,
                    .variant = model.chosen ? model.chosen->name : std::string()};
    co_return model;
}

}  // namespace llmm::models
