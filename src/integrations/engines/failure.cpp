#include "integrations/engines/failure.hpp"

#include <algorithm>
#include <cctype>
#include <signal.h>
#include <string_view>

namespace llmm::engines {
namespace {

struct Rule {
    std::string_view sign;  // in lower case, anywhere in a log line
    ErrorCode code;
    Words cause;
};

constexpr Words kMemory{"there was not enough memory for the model and its context",
                        "内存不足，无法容纳模型及其上下文"};
constexpr Words kNotGguf{"the model's file is not a valid GGUF file", "模型文件不是有效的 GGUF 文件"};
constexpr Words kIncomplete{"the model's file is damaged or incomplete", "模型文件已损坏或不完整"};
constexpr Words kLibrary{"a library that the engine needs is missing: install it again",
                         "缺少引擎所需的库，请重新安装"};
constexpr Words kAddress{"its address is in use: another process listens there, or a socket was left behind",
                         "监听地址已被占用：有其他进程在监听，或遗留了套接字文件"};
constexpr Words kOption{"this build of the engine does not know one of the options",
                        "此版本的引擎不支持所用的某个参数"};
constexpr Words kArchitecture{"this build of the engine does not know the model's architecture: a newer one may",
                              "此版本的引擎不支持该模型架构，可尝试更新版本"};
constexpr Words kGone{"the model's file is missing or can't be read", "模型文件不存在或无法读取"};

// From the causes to the consequences: the first that fits counts.
constexpr Rule kRules[] = {
    {"no backends are loaded",
     ErrorCode::engine_unavailable,
     {"the engine found no compute backend for this machine: install it again",
      "引擎未找到适用于本机的计算后端，请重新安装"}},
    {"error while loading shared libraries", ErrorCode::engine_unavailable, kLibrary},
    {"cannot open shared object file", ErrorCode::engine_unavailable, kLibrary},
    {"invalid argument:", ErrorCode::engine_unavailable, kOption},
    {"unrecognized arguments:", ErrorCode::engine_unavailable, kOption},
    {"no module named",
     ErrorCode::engine_unavailable,
     {"a Python package that the engine needs is missing: install it again", "缺少引擎所需的 Python 包，请重新安装"}},
    {"couldn't bind", ErrorCode::port_in_use, kAddress},
    {"address already in use", ErrorCode::port_in_use, kAddress},
    {"unknown model architecture", ErrorCode::unsupported_format, kArchitecture},
    {"are not supported for now", ErrorCode::unsupported_format, kArchitecture},
    {"does not recognize this architecture", ErrorCode::unsupported_format, kArchitecture},
    {"error while deserializing header", ErrorCode::engine_failed, kIncomplete},
    {"out of memory", ErrorCode::insufficient_memory, kMemory},
    {"outofdevicememory", ErrorCode::insufficient_memory, kMemory},
    {"cannot allocate memory", ErrorCode::insufficient_memory, kMemory},
    {"std::bad_alloc", ErrorCode::insufficient_memory, kMemory},
    {"unable to allocate", ErrorCode::insufficient_memory, kMemory},
    {"failed to allocate", ErrorCode::insufficient_memory, kMemory},
    {"cudamalloc failed", ErrorCode::insufficient_memory, kMemory},
    {"invalid magic", ErrorCode::unsupported_format, kNotGguf},
    {"failed to read magic", ErrorCode::unsupported_format, kNotGguf},
    {"not within the file bounds", ErrorCode::engine_failed, kIncomplete},
    {"corrupted or incomplete", ErrorCode::engine_failed, kIncomplete},
    {"failed to read key-value pairs", ErrorCode::engine_failed, kIncomplete},
    {"failed to read tensor", ErrorCode::engine_failed, kIncomplete},
    {"unexpectedly reached end of file", ErrorCode::engine_failed, kIncomplete},
    {"quantized v cache requires",
     ErrorCode::validation_failed,
     {"this cache_type_v needs flash_attention, which this model or machine does not have",
      "该 cache_type_v 需要 flash_attention，但此模型或机器不支持"}},
    {"failed to open gguf file", ErrorCode::engine_failed, kGone},
};

FailureCause cause(ErrorCode code, Words words) {
    return {code, {std::string(words.en), std::string(words.zh)}};
}

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

}  // namespace

FailureCause explain_failure(const std::vector<std::string>& log, const ExitStatus& status) {
    std::string text;
    for (const std::string& line : log)
        text += lower(line) + '\n';
    for (const Rule& rule : kRules) {
        if (text.contains(rule.sign)) return cause(rule.code, rule.cause);
    }
    if (status.signal == SIGKILL) {
        return cause(ErrorCode::insufficient_memory, {"the system killed it, most probably because memory ran out",
                                                      "被系统强制结束，很可能是内存耗尽"});
    }
    if (status.signal == SIGILL) {
        return cause(ErrorCode::engine_unavailable,
                     {"this build of the engine is for another processor", "此引擎是为其他处理器编译的"});
    }
    if (status.signal) {
        return {ErrorCode::engine_failed, Text::format("the engine crashed: {}", "引擎崩溃：{}", status.to_string())};
    }
    if (text.contains("failed to load model")) {
        return cause(ErrorCode::engine_failed,
                     {"the engine can't load this model; its log says more", "引擎无法加载该模型，详见日志"});
    }
    return {ErrorCode::engine_failed,
            Text::format("the engine ended unexpectedly: {}", "引擎意外结束：{}", status.to_string())};
}

}  // namespace llmm::engines
