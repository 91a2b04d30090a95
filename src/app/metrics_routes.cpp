#include "app/metrics_routes.hpp"

#include <ctime>
#include <sys/resource.h>

#include <fmt/format.h>

namespace llmm::app {

using http::Request, http::Response;

namespace {

// Deployments are made by operators, yet nobody's monitoring shall drown in them.
constexpr int kMostEngines = 200;

using Readings = std::vector<MetricReading>;

template <class T>
void add(Readings& into, std::string name, std::string help, const std::optional<T>& value, MetricLabels labels = {},
         bool counter = false) {
    if (!value) return;  // what is not known is absent
    into.push_back({std::move(name), std::move(help), std::move(labels), static_cast<double>(*value), counter});
}

double cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void add_process(Readings& into, const system::Resources& now, double uptime) {
    add(into, "process_cpu_seconds_total", "Processor time of the service itself.", std::optional(cpu_seconds()), {},
        true);
    add(into, "process_resident_memory_bytes", "Resident memory of the service itself.", now.process_rss);
    add(into, "process_open_fds", "Open files of the service itself.", now.open_files);
    add(into, "process_start_time_seconds", "When the service started, in seconds since 1970.",
        std::optional(static_cast<double>(std::time(nullptr)) - uptime));
    into.push_back({"llm_manager_build_info", "Always 1; the version is a label.", {{"version", LLMM_VERSION}}, 1});
}

void add_machine(Readings& into, const system::Resources& now) {
    add(into, "llm_manager_cpu_usage_percent", "Use of all processors of the machine.", now.cpu_percent);
    if (now.memory) {
        add(into, "llm_manager_memory_total_bytes", "Memory of the machine, or what a control group allows.",
            std::optional(now.memory->total));
        add(into, "llm_manager_memory_available_bytes", "Memory that can be had without swapping.",
            std::optional(now.memory->available));
    }
    for (const system::Disk& disk : now.disks) {
        if (!disk.has_data_directory) continue;
        add(into, "llm_manager_disk_total_bytes", "Size of the disk with the data directory.",
            std::optional(disk.total));
        add(into, "llm_manager_disk_free_bytes", "What is free of it.", std::optional(disk.free));
    }
    for (const hardware::Gpu& gpu : now.gpus) {
        const MetricLabels labels{{"vendor", std::string(hardware::name_of(gpu.vendor))},
                                  {"index", std::to_string(gpu.index)},
                                  {"uuid", gpu.uuid.value_or("")}};
        add(into, "llm_manager_gpu_memory_total_bytes", "Memory of a GPU.", gpu.memory_total, labels);
        add(into, "llm_manager_gpu_memory_used_bytes", "What is used of it.", gpu.memory_used, labels);
        add(into, "llm_manager_gpu_usage_percent", "Use of a GPU.", gpu.usage_percent, labels);
        add(into, "llm_manager_gpu_temperature_celsius", "Temperature of a GPU.", gpu.temperature_celsius, labels);
        add(into, "llm_manager_gpu_power_watts", "Power that a GPU draws.", gpu.power_watts, labels);
    }
}

void add_engines(Readings& into, const std::vector<deployments::DeploymentMetrics>& all) {
    for (const auto& [id, name, engine, memory, metrics, counted_here] : all) {
        const MetricLabels labels{{"deployment", name}, {"engine", engine}};
        add(into, "llm_manager_engine_memory_bytes", "Resident memory of a deployment's engines.", memory, labels);
        add(into, "llm_manager_engine_requests_running", "Requests that are answered now.", metrics.requests_running,
            labels);
        add(into, "llm_manager_engine_requests_waiting", "Requests that wait in the engine.", metrics.requests_waiting,
            labels);
        add(into, "llm_manager_engine_prompt_tokens_total", "Tokens read.", metrics.prompt_tokens_total, labels, true);
        add(into, "llm_manager_engine_generated_tokens_total", "Tokens written.", metrics.generated_tokens_total,
            labels, true);
        add(into, "llm_manager_engine_prompt_tokens_per_second", "Speed of reading.", metrics.prompt_tokens_per_second,
            labels);
        add(into, "llm_manager_engine_generated_tokens_per_second", "Speed of writing.",
            metrics.generated_tokens_per_second, labels);
        add(into, "llm_manager_engine_time_to_first_token_seconds", "Mean time to the first token.",
            metrics.time_to_first_token_seconds, labels);
        add(into, "llm_manager_engine_kv_cache_usage_ratio", "Use of the context's memory.", metrics.kv_cache_usage,
            labels);
    }
}

}  // namespace

void RequestMetrics::finished(const Request& request, int status, std::uint64_t bytes, double milliseconds) {
    const auto match = router_.find(request.method, request.path);
    const std::string operation = match.route ? match.route->operation : "none";
    registry_.count("llm_manager_http_requests_total", "Requests that were answered.",
                    {{"operation", operation}, {"status", std::to_string(status)}});
    registry_.count("llm_manager_http_response_bytes_total", "Bytes of answers, without headers.",
                    {{"operation", operation}}, static_cast<double>(bytes));
    registry_.observe_seconds("llm_manager_http_request_duration_seconds", "From the first byte to the last.",
                              {{"operation", operation}}, milliseconds / 1000);
}

void MetricsRoutes::add_to(http::Router& router) {
    router.add({http::Method::get, "/metrics", http::Permission::read, "getMetrics",
                http::Router::on(this, &MetricsRoutes::metrics)});
}

Task<Readings> MetricsRoutes::readings() {
    Readings all;
    const system::Resources now = co_await system_.latest();
    add_process(all, now, system_.uptime_seconds());
    add_machine(all, now);
    for (const auto& [what, state, rows] : co_await store_.counts()) {
        all.push_back({fmt::format("llm_manager_{}", what),
                       fmt::format("Rows of {} by state.", what),
                       {{"state", state}},
                       static_cast<double>(rows)});
    }
    all.push_back({"llm_manager_download_speed_bytes_per_second",
                   "Of all downloads together.",
                   {},
                   static_cast<double>(co_await store_.download_speed())});
    add_engines(all, co_await engines_.all(kMostEngines));
    co_return all;
}

Task<Response> MetricsRoutes::metrics(const Request&) {
    Response response;
    response.headers = {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}, {"Cache-Control", "no-store"}};
    response.body = counted_.exposition(co_await readings());
    co_return response;
}

}  // namespace llmm::app
