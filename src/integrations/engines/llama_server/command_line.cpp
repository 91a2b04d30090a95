#include "integrations/engines/llama_server/llama_server.hpp"

#include <algorithm>
#include <thread>

#include <fmt/format.h>

namespace llmm::engines::llama_server {
namespace {

constexpr std::size_t kMaxSocketPath = 107;  // sockaddr_un::sun_path without its NUL
constexpr std::size_t kMaxAlias = 256;

[[noreturn]] void refuse(std::string field, Text problem) {
    throw Error(ErrorCode::validation_failed,
                {"the engine can't be started with these names", "无法使用这些名称启动引擎"},
                {{std::move(field), std::move(problem)}});
}

bool has_control(std::string_view text) {
    return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

void check_model(const std::filesystem::path& model) {
    if (!model.is_absolute() || has_control(model.native())) {
        refuse("model", {"must be an absolute path without control characters", "必须是不含控制字符的绝对路径"});
    }
}

void check_alias(std::string_view alias) {
    // A comma separates aliases; a leading dash would be read as a flag by builds that look at the next
    // argument.
    if (alias.empty() || alias.size() > kMaxAlias || alias.starts_with('-') || alias.contains(',') ||
        has_control(alias)) {
        refuse("alias", {"must have 1 to 256 bytes, no comma, no control character and no dash in front",
                         "长度必须为 1 到 256 字节，不能包含逗号或控制字符，也不能以短横线开头"});
    }
}

std::string check_socket(const std::string& path) {
    // The engine takes a name that doesn't end so for a host name, and a comma for the start of another
    // address.
    if (!path.starts_with('/') || !path.ends_with(".sock") || path.size() > kMaxSocketPath || path.contains(',') ||
        has_control(path)) {
        refuse("endpoint", {"must be an absolute path of at most 107 bytes that ends with .sock, without commas",
                            "必须是以 .sock 结尾、不含逗号且不超过 107 字节的绝对路径"});
    }
    return path;
}

class Arguments {
  public:
    explicit Arguments(const Program& program) : program_(program) {}

    void add(std::string_view flag) { list_.emplace_back(flag); }
    void add(std::string_view flag, std::string value) {
        list_.emplace_back(flag);
        list_.push_back(std::move(value));
    }
    void add_if_offered(std::string_view flag) {
        if (program_.offers(flag)) add(flag);
    }
    void add_if_offered(std::string_view flag, std::string value) {
        if (program_.offers(flag)) add(flag, std::move(value));
    }
    std::vector<std::string> take() { return std::move(list_); }

  private:
    const Program& program_;
    std::vector<std::string> list_;
};

void add_endpoint(Arguments& arguments, const Endpoint& endpoint) {
    if (const auto* local = std::get_if<UnixEndpoint>(&endpoint)) {
        arguments.add("--host", check_socket(local->path));
        return;
    }
    const auto& tcp = std::get<TcpEndpoint>(endpoint);
    if (tcp.address != "127.0.0.1" && tcp.address != "::1") {
        refuse("endpoint", {"must be a loopback address: the engine checks no keys", "必须是回环地址：引擎不校验密钥"});
    }
    arguments.add("--host", tcp.address);
    arguments.add("--port", std::to_string(tcp.port));
}

std::int64_t threads_of(const OptionValues& options) {
    if (options.is_set("threads")) return options.integer("threads");
    return std::max(1u, std::thread::hardware_concurrency());
}

void add_option(Arguments& arguments, const EngineOption& option, const OptionValues& options) {
    if (option.key == "context_size") {
        // The engine's number is the sum over all slots.
        arguments.add(option.flag, std::to_string(options.integer("context_size") * options.integer("parallel")));
    } else if (option.key == "gpu_layers") {
        const std::int64_t layers = options.integer(option.key);
        arguments.add(option.flag, layers < 0 ? "auto" : std::to_string(layers));
    } else if (option.key == "threads") {
        arguments.add(option.flag, std::to_string(threads_of(options)));
        arguments.add("--threads-batch", std::to_string(threads_of(options)));
    } else if (option.key == "prompt_cache_mib") {
        // Left alone, newer builds take up to 8 GiB; older ones keep no such cache.
        arguments.add_if_offered(option.flag, std::to_string(options.integer(option.key)));
    } else if (option.type == OptionType::boolean) {
        if (options.boolean(option.key)) arguments.add(option.flag);
    } else if (!options.is_set(option.key)) {
        return;
    } else if (option.type == OptionType::choice) {
        arguments.add(option.flag, options.text(option.key));
    } else {
        arguments.add(option.flag, std::to_string(options.integer(option.key)));
    }
}

}  // namespace

std::vector<std::string> command_line(const Launch& launch) {
    check_model(launch.model);
    check_alias(launch.alias);
    Arguments arguments(launch.program);
    arguments.add("--model", launch.model.native());
    arguments.add("--alias", launch.alias);
    add_endpoint(arguments, launch.endpoint);
    // With jinja the name of a built-in template would be taken for the text of a template.
    arguments.add(launch.options.is_set("chat_template") ? "--no-jinja" : "--jinja");
    for (const EngineOption& option : kDescriptor.options)
        add_option(arguments, option, launch.options);

    // In a file: every user of the machine sees command lines.
    if (!launch.key_file.empty()) arguments.add("--api-key-file", launch.key_file.native());
    arguments.add("--offline");
    arguments.add(launch.program.offers("--no-ui") ? "--no-ui" : "--no-webui");
    arguments.add("--metrics");
    arguments.add("--no-slots");  // shows what others ask
    arguments.add_if_offered("--no-kv-unified");
    arguments.add_if_offered("--fit",
                             "off");  // what doesn't fit fails, instead of running with another context size
    arguments.add_if_offered("--no-context-shift");
    arguments.add_if_offered("--cors-origins",
                             "localhost");  // no web page of elsewhere talks to a loopback port
    arguments.add_if_offered("--sleep-idle-seconds", "-1");
    arguments.add_if_offered("--log-colors", "off");
    // From this level on it says where layers and cache are; what people ask it does not log there.
    arguments.add_if_offered("--log-verbosity", "4");
    return arguments.take();
}

ProcessSpec process_spec(const Launch& launch) {
    ProcessSpec spec{.program = launch.program.path,
                     .arguments = command_line(launch),
                     .environment = {{"PATH", "/usr/local/bin:/usr/bin:/bin"},
                                     {"HOME", launch.directory.native()},
                                     {"LANG", "C.UTF-8"},
                                     {"OMP_NUM_THREADS", std::to_string(threads_of(launch.options))}},
                     .working_directory = launch.directory,
                     .output = launch.log};
    for (const auto& [name, value] : launch.environment) {
        std::erase_if(spec.environment, [&](const auto& pair) { return pair.first == name; });
        spec.environment.emplace_back(name, value);
    }
    return spec;
}

}  // namespace llmm::engines::llama_server
