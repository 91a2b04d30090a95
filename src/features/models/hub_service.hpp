#pragma once
#include "base/async/task.hpp"
#include "features/models/model_ref.hpp"
#include "integrations/formats/quantization.hpp"
#include "integrations/hub.hpp"

#include <map>
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

// The remote half of the catalogue: one door to every hub. Used from the event loop.
class HubService {
  public:
    explicit HubService(std::vector<hubs::Hub*> hubs);

    // VALIDATION_FAILED for a source that this version doesn't have.
    hubs::Hub& hub(Source source);
    Task<hubs::SearchPage> search(Source source, hubs::SearchQuery query) {
        return hub(source).search(std::move(query));
    }
    Task<std::vector<hubs::Category>> categories(Source source) { return hub(source).categories(); }
    // HUB_… errors; a variant that isn't there is VALIDATION_FAILED naming those that are.
    Task<RemoteModel> resolve(ModelRef ref);

  private:
    std::map<Source, hubs::Hub*> hubs_;
};

}  // namespace llmm::models
