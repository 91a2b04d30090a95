#pragma once
#include "base/async/task.hpp"
#include "features/deployments/memory_planner.hpp"
#include "features/models/remote_header.hpp"

#include <vector>

namespace llmm::deployments {

// "Fits here" of models that are not here yet: the sum and the free memory of a plan, from the beginning of one file.
// Variants of one model have its shape, and the sizes that the hub lists. Used from the event loop.
class HubFit {
  public:
    HubFit(models::RemoteHeaders& headers, MemoryPlanner& planner) : headers_(headers), planner_(planner) {}
    Task<std::vector<models::VariantFit>> of(const models::RemoteModel& model);

  private:
    Task<models::VariantFit> of_variant(const formats::Variant& variant, const formats::GgufHeader& header);

    models::RemoteHeaders& headers_;
    MemoryPlanner& planner_;
};

// A model of this description whose files have so many bytes: how they are shared among its parts is calculated.
engines::llama_server::ModelShape shape_of_size(const formats::GgufHeader& header, std::uint64_t bytes);

}  // namespace llmm::deployments
