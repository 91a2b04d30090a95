#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/task.hpp"
#include "features/models/hub_service.hpp"
#include "integrations/answer_cache.hpp"
#include "integrations/formats/gguf.hpp"
#include "integrations/hub_client.hpp"

#include <optional>
#include <string>

namespace llmm::models {

// What GGUF files say of themselves before they are here, from their first bytes. Used from the event loop.
class RemoteHeaders {
  public:
    struct Deps {
        HubService& hubs;
        HttpClient& http;
        const UrlGuard& guard;
        BlockingPool& files;
    };
    explicit RemoteHeaders(Deps deps);

    // Of one file of this model. nullopt: it can't be asked now, or says too little. Never throws Error.
    Task<std::optional<formats::GgufHeader>> of(const RemoteModel& model, std::string path);

  private:
    Task<std::optional<formats::GgufHeader>> read(ModelRef pinned, std::string path,
                                                  std::optional<std::uint64_t> file_size);
    Task<std::string> beginning(ModelRef pinned, std::string path);

    const Deps deps_;
    hubs::HubClient client_;
    hubs::AnswerCache<std::optional<formats::GgufHeader>> cache_;
};

}  // namespace llmm::models
