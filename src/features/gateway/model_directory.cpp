#include "features/gateway/model_directory.hpp"

#include "features/models/model_ref.hpp"

#include <algorithm>

namespace llmm::gateway {

using deployments::Deployment;

namespace {

constexpr std::size_t kMaxKnown = 10'000;  // names; a client may ask for any
constexpr std::string_view kLatest = ":latest";
constexpr std::int64_t kIdleSeconds = 1800;  // of what was deployed by the way

}  // namespace

void ModelDirectory::start() {
    work_.spawn("model names", watch());
}

Task<> ModelDirectory::stop() {
    co_await work_.stop();
}

Task<> ModelDirectory::watch() {
    for (;;) {
        const auto subscription = co_await deps_.events.subscribe({"deployments"}, std::nullopt);
        forget();
        while (co_await subscription->next())
            forget();
        co_await sleep_for(std::chrono::milliseconds(100));  // dropped for being slow, or the bus is closed
    }
}

ModelDirectory::TargetPtr ModelDirectory::find_known(std::string_view name) const {
    const auto found = known_.find(name);
    return found == known_.end() ? nullptr : found->second;
}

Task<ModelDirectory::TargetPtr> ModelDirectory::find(std::string name, bool deploy) {
    if (auto known = find_known(name)) co_return known;
    if (name.empty()) {
        throw Error(ErrorCode::validation_failed, Text{"a field is not as described", "字段不符合要求"},
                    {{"model", FieldProblem{Text{"is missing", "缺失"}}}});
    }
    const std::uint64_t generation = generation_;
    const auto deployment = co_await search(name, deploy);
    if (!deployment) {
        throw Error(ErrorCode::model_not_found,
                    Text::format("the model '{}' does not exist: no deployment has this name or runs such a model",
                                 "模型 '{}' 不存在：没有同名的部署，也没有部署运行该模型", name));
    }
    auto target = target_of(*deployment);
    if (known_.size() >= kMaxKnown) forget();
    if (generation == generation_) known_[name] = target;  // else something has changed meanwhile
    co_return target;
}

void ModelDirectory::forget() {
    ++generation_;
    known_.clear();
    deps_.admissions.forget();
}

Task<> ModelDirectory::refresh(DeploymentId id) {
    if (const auto deployment = co_await by_name(id.str())) target_of(*deployment);
}

Task<std::optional<Deployment>> ModelDirectory::search(std::string name, bool deploy) {
    if (auto found = co_await by_name(name)) co_return found;
    if (const auto target = co_await deps_.aliases.find(name)) {
        if (auto found = co_await by_name(*target)) co_return found;
        co_return co_await by_model(*target, deploy);
    }
    if (name.ends_with(kLatest)) co_return co_await search(name.substr(0, name.size() - kLatest.size()), deploy);
    co_return co_await by_model(name, deploy);
}

Task<std::optional<Deployment>> ModelDirectory::by_name(std::string name) {
    try {
        co_return co_await deps_.deployments.get(std::move(name));
    } catch (const Error& error) {
        if (error.code() != ErrorCode::deployment_not_found) throw;
    }
    co_return std::nullopt;
}

Task<std::optional<Deployment>> ModelDirectory::by_model(std::string name, bool deploy) {
    std::optional<models::ModelRef> ref;
    try {
        ref = models::parse_model_ref(name);
    } catch (const Error&) {
        co_return std::nullopt;  // no reference
    }
    const auto model = co_await deps_.models.find_ready(*ref);
    if (!model) co_return std::nullopt;
    deployments::DeploymentQuery query;
    query.model_id = model->id;
    auto page = co_await deps_.deployments.list(query);
    const auto better = std::ranges::find(page.items, deployments::Desired::running, &Deployment::desired);
    if (better != page.items.end()) co_return std::move(*better);
    if (!page.items.empty() && !deploy) co_return std::move(page.items.front());
    if (!deploy) co_return std::nullopt;
    if (!page.items.empty()) co_return (co_await deps_.deployments.start(page.items.front().id.str())).first;
    deployments::DeploymentRequest request;
    request.model_id = model->id;
    request.idle_unload_seconds = kIdleSeconds;
    co_return co_await deps_.deployments.create(std::move(request));
}

ModelDirectory::TargetPtr ModelDirectory::target_of(const Deployment& deployment) {
    return std::make_shared<const Target>(Target{.id = deployment.id,
                                                 .name = deployment.name,
                                                 .model_ref = deployment.model_ref,
                                                 .engine = deployment.engine,
                                                 .created_at = deployment.created_at,
                                                 .admission = deps_.admissions.of(deployment)});
}

Task<std::vector<Deployment>> ModelDirectory::running() {
    std::vector<Deployment> all;
    deployments::DeploymentQuery query;
    query.sort = "name";
    query.limit = 200;
    for (;;) {
        auto page = co_await deps_.deployments.list(query);
        for (Deployment& deployment : page.items) {
            if (deployment.desired == deployments::Desired::running) all.push_back(std::move(deployment));
        }
        if (!page.next_cursor) co_return all;
        query.cursor = *page.next_cursor;
    }
}

}  // namespace llmm::gateway
