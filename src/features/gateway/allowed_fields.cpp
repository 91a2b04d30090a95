#include "features/gateway/gateway.hpp"

#include <algorithm>
#include <iterator>

namespace llmm::gateway {
namespace {

// The fields of OpenAI's and Anthropic's APIs and of rerankers, and the samplers that engines have in common.
constexpr std::string_view kCommon[] = {"add_generation_prompt",
                                        "audio",
                                        "best_of",
                                        "cache_control",
                                        "chat_template_kwargs",
                                        "continue_final_message",
                                        "dimensions",
                                        "documents",
                                        "echo",
                                        "encoding_format",
                                        "frequency_penalty",
                                        "function_call",
                                        "functions",
                                        "include",
                                        "include_reasoning",
                                        "input",
                                        "input_type",
                                        "instructions",
                                        "logit_bias",
                                        "logprobs",
                                        "max_completion_tokens",
                                        "max_output_tokens",
                                        "max_tokens",
                                        "messages",
                                        "metadata",
                                        "min_p",
                                        "min_tokens",
                                        "modalities",
                                        "model",
                                        "n",
                                        "normalize",
                                        "parallel_tool_calls",
                                        "prediction",
                                        "presence_penalty",
                                        "previous_response_id",
                                        "prompt",
                                        "prompt_cache_key",
                                        "query",
                                        "reasoning",
                                        "reasoning_effort",
                                        "repetition_penalty",
                                        "repeat_penalty",
                                        "response_format",
                                        "return_documents",
                                        "safety_identifier",
                                        "seed",
                                        "service_tier",
                                        "stop",
                                        "stop_sequences",
                                        "store",
                                        "stream",
                                        "stream_options",
                                        "suffix",
                                        "system",
                                        "temperature",
                                        "text",
                                        "thinking",
                                        "tool_choice",
                                        "tools",
                                        "top_k",
                                        "top_logprobs",
                                        "top_n",
                                        "top_p",
                                        "truncation",
                                        "typical_p",
                                        "user",
                                        "verbosity"};

// llama.cpp's own (tools/server/README.md) without slots, context shifting, parsers, LoRA and slot files.
constexpr std::string_view kLlamaServer[] = {"cache_prompt",      "dry_allowed_length",   "dry_base",
                                             "dry_multiplier",    "dry_penalty_last_n",   "dry_sequence_breakers",
                                             "dynatemp_exponent", "dynatemp_range",       "grammar",
                                             "ignore_eos",        "json_schema",          "mirostat",
                                             "mirostat_eta",      "mirostat_tau",         "n_predict",
                                             "n_probs",           "post_sampling_probs",  "reasoning_format",
                                             "repeat_last_n",     "return_progress",      "return_tokens",
                                             "samplers",          "thinking_forced_open", "timings_per_token",
                                             "top_n_sigma",       "xtc_probability",      "xtc_threshold"};

// vLLM's and SGLang's, for engines that somebody else runs.
constexpr std::string_view kOthers[] = {"add_special_tokens",
                                        "cache_salt",
                                        "enable_thinking",
                                        "grammar",
                                        "guided_choice",
                                        "guided_grammar",
                                        "guided_json",
                                        "guided_regex",
                                        "ignore_eos",
                                        "include_stop_str_in_output",
                                        "json_schema",
                                        "length_penalty",
                                        "priority",
                                        "prompt_logprobs",
                                        "regex",
                                        "separate_reasoning",
                                        "skip_special_tokens",
                                        "spaces_between_special_tokens",
                                        "stop_token_ids",
                                        "structured_outputs",
                                        "truncate_prompt_tokens",
                                        "use_beam_search"};

std::vector<std::string_view> merged(std::span<const std::string_view> more) {
    std::vector<std::string_view> all(std::begin(kCommon), std::end(kCommon));
    all.insert(all.end(), more.begin(), more.end());
    std::ranges::sort(all);
    return all;
}

}  // namespace

FieldList allowed_fields(std::string_view engine) {
    static const auto llama_server = merged(kLlamaServer);
    static const auto others = merged(kOthers);
    return engine == "llama-server" ? llama_server : others;
}

}  // namespace llmm::gateway
