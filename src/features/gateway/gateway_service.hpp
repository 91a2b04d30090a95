#pragma once
#include "features/gateway/gateway.hpp"
#include "features/gateway/model_directory.hpp"
#include "features/gateway/request_ticket.hpp"
#include "http/exchange.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace llmm::gateway {

// An engine that answers this request, and the place there. Both are given back when this goes away.
struct Seat {
    deployments::Admission::Permit permit;
    deployments::EngineLease lease;
    DeploymentId deployment;
    std::uint64_t affinity;
};

// Brings requests to engines. Used from the event loop only.
class GatewayService {
  public:
    struct Deps {
        deployments::DeploymentService& deployments;
        ModelDirectory& directory;
        usage::UsageRecorder& usage;
    };
    GatewayService(Deps deps, GatewayLimits limits) : deps_(deps), limits_(limits) {}

    // Passes the request to the engine as it is, and the answer back as it comes.
    Task<> forward(const Operation& operation, http::Request& request, http::Exchange& exchange);

    // For dialects that are translated: says now and then that it still waits. The text says for what.
    using Tell = std::function<Task<>(std::string text)>;
    Task<ModelDirectory::TargetPtr> find(std::string model, bool deploy, RequestTicket& ticket);
    // `affinity`: see DeploymentService::ensure_ready.
    Task<Seat> take_seat(const Target& target, const http::Request& request, Tell tell, std::uint64_t affinity = 0);
    // Another instance is asked when one has not answered at all; the seat is there then.
    Task<UpstreamResponse> ask(Seat& seat, std::string_view target, std::string body, bool stream, Tell tell);

    const GatewayLimits& limits() const { return limits_; }
    usage::UsageRecorder& usage() { return deps_.usage; }
    ModelDirectory& directory() { return deps_.directory; }

  private:
    struct Passage;
    Task<> pass(Passage& passage);
    Task<> pass_whole(Passage& passage, UpstreamResponse answer);
    Task<> pass_stream(Passage& passage, UpstreamResponse answer);
    Task<deployments::EngineLease> wait_for_engine(const Target& target, Tell tell, std::uint64_t affinity);

    Deps deps_;
    const GatewayLimits limits_;
};

// What the failure of a request to an engine means for the client. Rethrows what is no failure of ours (the client is
// gone).
Error error_of(std::exception_ptr failure);

}  // namespace llmm::gateway
