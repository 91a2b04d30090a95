#pragma once
#include "base/async/task.hpp"
#include "base/async/task_group.hpp"
#include "base/error/error.hpp"
#include "features/models/model_ref.hpp"
#include "integrations/formats/quantization.hpp"
#include "integrations/hub.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace llmm::models {

// What a reference means on its hub right now.
struct RemoteModel {
    ModelRef pinned;  // with the commit and the chosen variant
    hubs::Repository repository;
    formats::RepositoryContent content;
    const formats::Variant* chosen = nullptr;  // in content; nullptr: nothing to run
};

// Whether this machine could run a variant now. Made by those who deploy.
struct VariantFit {
    std::optional<std::uint64_t> needed;
    std::optional<bool> fits;
    std::string reason;  // when it does not
    bool rough = false;  // from the size of the files alone
};
using FitCheck = std::function<Task<std::vector<VariantFit>>(const RemoteModel&)>;

// What one source did for a question that went to all of them.
struct SourceReport {
    enum class Status { ok, slow, failed, unsupported };
    Source source{};
    Status status = Status::ok;
    std::size_t count = 0;                // of items on this page
    std::optional<TimePoint> fetched_at;  // when ok
    std::optional<Text> message;          // why it gave nothing
    std::optional<ErrorCode> code;        // when failed
};

struct FoundModel {
    Source source{};
    hubs::ModelSummary model;
};
struct FoundPage {
    std::vector<FoundModel> models;
    std::string next_cursor;  // empty: no more
    std::vector<SourceReport> sources;
};

// Where a file can be asked for.
struct FilePlace {
    hubs::Hub* hub = nullptr;
    std::string repo, revision, path;
    std::string name;  // for people: "huggingface", "huggingface (hf-mirror.com)"
};

// The hub has said nothing about what it was asked for: another one may know, or the same one later.
bool is_no_answer(ErrorCode code);

// Another address of a hub, with the same repositories and commits.
struct Mirror {
    Source of{};
    hubs::Hub* hub = nullptr;
    std::string host;
};

// The remote half of the catalogue: one door to every hub. Used from the event loop.
class HubService {
  public:
    struct Settings {
        std::chrono::milliseconds patience{4'000};  // for the slowest of all sources
        bool may_ask_twin = false;                  // the hub whose repositories bear the same names hears of them
    };
    HubService(asio::any_io_executor executor, std::vector<hubs::Hub*> hubs, std::vector<Mirror> mirrors,
               Settings settings);

    // VALIDATION_FAILED for a source that this version doesn't have.
    hubs::Hub& hub(Source source);
    // VALIDATION_FAILED for a source that has no search.
    Task<hubs::SearchPage> search(Source source, hubs::SearchQuery query);
    // All sources side by side, merged in the asked order. A source that fails, or is not there in time, is reported
    // and not waited for; its answer then fills its cache for the next time.
    Task<FoundPage> search_all(hubs::SearchQuery query);
    Task<std::vector<hubs::Category>> categories(Source source) { return hub(source).categories(); }
    // Those of every source that answers in time, without repetition.
    Task<std::vector<hubs::Category>> all_categories();
    // HUB_… errors; a variant that isn't there is VALIDATION_FAILED naming those that are. Its mirrors answer for a hub
    // that doesn't.
    Task<RemoteModel> resolve(ModelRef ref);
    // Where else a file of that content is: at the mirrors of its hub, and, where that may be asked, in the repository
    // of the same name on another hub when that lists the same digest (not asked without one) and size. Sources that
    // fail now are left out.
    Task<std::vector<FilePlace>> other_places(ModelRef pinned, std::string path, std::optional<Sha256> digest,
                                              std::optional<std::uint64_t> size);
    // Ends questions that nobody waits for any more.
    Task<> stop() { return group_.stop(); }

  private:
    Task<hubs::Repository> repository(const ModelRef& ref);
    template <class Answer>
    struct Flight;
    template <class Answer>
    Task<> fly(std::shared_ptr<Flight<Answer>> flight, Task<Answer> question);
    template <class Answer>
    Task<> wait_for_all(std::vector<std::shared_ptr<Flight<Answer>>> flights);

    std::map<Source, hubs::Hub*> hubs_;
    std::vector<Mirror> mirrors_;
    Settings settings_;
    TaskGroup group_;
    Signal landed_;
};

}  // namespace llmm::models
