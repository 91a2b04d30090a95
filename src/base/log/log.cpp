#include "base/log/log.hpp"

#include "base/time/time.hpp"

#include <atomic>
#include <memory>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace llmm::log {
namespace {

namespace json = boost::json;

std::atomic<Level> current_level{Level::info};
std::atomic<Format> current_format{Format::human};

spdlog::logger& logger() {
    // spdlog only carries whole lines to the descriptor, one write each, from any thread.
    static const auto instance = [] {
        auto made = std::make_shared<spdlog::logger>("llm-manager", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        made->set_pattern("%v");
        made->set_level(spdlog::level::trace);
        made->flush_on(spdlog::level::trace);
        return made;
    }();
    return *instance;
}

std::string_view name(Level level) {
    switch (level) {
        case Level::debug:
            return "debug";
        case Level::info:
            return "info";
        case Level::warning:
            return "warning";
        case Level::error:
            return "error";
    }
    return "error";
}

std::string quoted_if_needed(const std::string& text) {
    const bool plain = !text.empty() && text.find_first_of(" \"=\n\r\t") == std::string::npos;
    return plain ? text : json::serialize(json::string(text));
}

std::string as_json(Level level, std::string_view message, Fields fields) {
    json::object line{{"time", to_rfc3339(now())}, {"level", name(level)}, {"message", message}};
    for (const Field& field : fields) {
        std::visit([&](const auto& value) { line.insert_or_assign(field.key, json::value(value)); }, field.value.get());
    }
    return json::serialize(line);
}

std::string as_text(Level level, std::string_view message, Fields fields) {
    std::string line = fmt::format("{} {:7} {}", to_rfc3339(now()), name(level), message);
    for (const Field& field : fields) {
        line += fmt::format(" {}=", field.key);
        std::visit(
            [&](const auto& value) {
                if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>) {
                    line += quoted_if_needed(value);
                } else {
                    line += fmt::format("{}", value);
                }
            },
            field.value.get());
    }
    return line;
}

}  // namespace

void configure(Level level, Format format) {
    current_level = level;
    current_format = format;
}

bool enabled(Level level) {
    return level >= current_level.load(std::memory_order_relaxed);
}

void write(Level level, std::string_view message, Fields fields) {
    if (!enabled(level)) return;
    const bool as_object = current_format.load(std::memory_order_relaxed) == Format::json;
    logger().info("{}", as_object ? as_json(level, message, fields) : as_text(level, message, fields));
}

}  // namespace llmm::log
