#include "base/log/log.hpp"

#include "base/time/time.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
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

// spdlog only carries whole lines to the descriptor, from any thread. What it calls trace waits in the buffer of
// standard error until another line or a second has come.
spdlog::logger& logger() {
    static const auto instance = [] {
        static char buffer[64 * 1024];
        std::setvbuf(stderr, buffer, _IOFBF, sizeof buffer);
        auto made = std::make_shared<spdlog::logger>("llm-manager", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        made->set_pattern("%v");
        made->set_level(spdlog::level::trace);
        made->flush_on(spdlog::level::info);
        spdlog::register_logger(made);
        spdlog::flush_every(std::chrono::seconds(1));
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

using Line = fmt::memory_buffer;

void add(Line& line, std::string_view text) {
    line.append(text.data(), text.data() + text.size());
}

bool needs_escape(std::string_view text) {
    return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == '"' || c == '\\' || c >= 0x7f; });
}

void add_quoted(Line& line, std::string_view text) {
    if (needs_escape(text)) return add(line, json::serialize(json::string(text)));
    line.push_back('"');
    add(line, text);
    line.push_back('"');
}

void add_value(Line& line, const Value& value, bool as_json) {
    std::visit(
        [&](const auto& held) {
            if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::string_view>) {
                const bool plain = !held.empty() && held.find_first_of(" \"=\n\r\t") == std::string_view::npos;
                if (as_json || !plain) return add_quoted(line, held);
                add(line, held);
            } else {
                fmt::format_to(std::back_inserter(line), "{}", held);
            }
        },
        value.get());
}

void add_json(Line& line, Level level, std::string_view message, Fields fields) {
    fmt::format_to(std::back_inserter(line), R"({{"time":"{}","level":"{}","message":)", to_rfc3339(now()),
                   name(level));
    add_quoted(line, message);
    for (const Field& field : fields) {
        fmt::format_to(std::back_inserter(line), R"(,"{}":)", field.key);
        add_value(line, field.value, true);
    }
    line.push_back('}');
}

void add_text(Line& line, Level level, std::string_view message, Fields fields) {
    fmt::format_to(std::back_inserter(line), "{} {:7} {}", to_rfc3339(now()), name(level), message);
    for (const Field& field : fields) {
        fmt::format_to(std::back_inserter(line), " {}=", field.key);
        add_value(line, field.value, false);
    }
}

void carry(Level level, std::string_view message, Fields fields, spdlog::level::level_enum urgency) {
    if (!enabled(level)) return;
    Line line;
    if (current_format.load(std::memory_order_relaxed) == Format::json) {
        add_json(line, level, message, fields);
    } else {
        add_text(line, level, message, fields);
    }
    logger().log(urgency, spdlog::string_view_t(line.data(), line.size()));
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
    carry(level, message, fields, spdlog::level::info);
}

void info_in_time(std::string_view message, Fields fields) {
    carry(Level::info, message, fields, spdlog::level::trace);
}

}  // namespace llmm::log
