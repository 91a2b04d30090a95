#include "integrations/huggingface/huggingface_errors.hpp"

#include <gtest/gtest.h>

namespace llmm::hubs::huggingface {
namespace {

const Url kUrl = *Url::parse("https://huggingface.co/api/models/org/model?secret=1");
const TimePoint kNow = *parse_rfc3339("2026-01-31T12:00:00Z");

struct Case {
    const char* what;
    int status;
    HttpHeaders headers;
    std::string body;
    Subject subject;
    bool with_token;
    ErrorCode code;
    const char* says;  // part of the English text
};

const Subject kFile{"org/model", "v1", "a.gguf"};
const Subject kNothing{};

const std::vector<Case>& cases() {
    static const std::vector<Case> all = {
        {"missing or private, anonymous",
         401,
         {{"X-Error-Message", "Invalid username or password."}},
         R"({"error":"Invalid username or password."})",
         kFile,
         false,
         ErrorCode::hub_repo_not_found,
         "org/model does not exist on the hub, or it is private, or it needs a token"},
        {"missing, with token",
         404,
         {{"x-error-code", "RepoNotFound"}},
         R"({"error":"Repository not found"})",
         kFile,
         true,
         ErrorCode::hub_repo_not_found,
         "HF_TOKEN may not see it"},
        {"missing, a mirror that says so without token",
         404,
         {{"X-Error-Code", "RepoNotFound"}},
         "",
         kFile,
         false,
         ErrorCode::hub_repo_not_found,
         "or it needs a token"},
        {"bad token",
         401,
         {{"X-Error-Message", "Invalid credentials in Authorization header"}},
         "",
         kFile,
         true,
         ErrorCode::hub_token_rejected,
         "wrong, expired"},
        {"bad token, said in the body",
         401,
         {},
         R"({"error":"Invalid credentials in Authorization header"})",
         kNothing,
         true,
         ErrorCode::hub_token_rejected,
         "wrong, expired"},
        {"gated, anonymous",
         401,
         {{"X-Error-Code", "GatedRepo"}},
         "",
         kFile,
         false,
         ErrorCode::hub_gated,
         "accept its licence at https://huggingface.co/org/model, then set HF_TOKEN"},
        {"gated, not on the list",
         403,
         {{"X-Error-Code", "GatedRepo"}},
         "",
         kFile,
         true,
         ErrorCode::hub_gated,
         "the account of HF_TOKEN is not on its list"},
        {"revision missing",
         404,
         {{"X-Error-Code", "RevisionNotFound"}},
         "",
         kFile,
         false,
         ErrorCode::hub_revision_not_found,
         "org/model has no revision v1"},
        {"file missing",
         404,
         {{"X-Error-Code", "EntryNotFound"}},
         "Entry not found",
         kFile,
         false,
         ErrorCode::hub_file_not_found,
         "org/model has no file a.gguf"},
        {"disabled",
         403,
         {{"X-Error-Message", "Access to this resource is disabled."}},
         "",
         kFile,
         true,
         ErrorCode::hub_disabled,
         "disabled org/model"},
        {"rate limit",
         429,
         {{"Retry-After", "17"}},
         "",
         kNothing,
         false,
         ErrorCode::hub_rate_limited,
         "try again in 17 s"},
        {"bad parameter",
         400,
         {},
         R"({"error":"Invalid cursor"})",
         kNothing,
         false,
         ErrorCode::malformed_request,
         "the hub says: Invalid cursor"},
        {"a token without the right",
         403,
         {},
         R"({"error":"Forbidden: pass a token with the right scope"})",
         kFile,
         true,
         ErrorCode::hub_token_rejected,
         "lacks the permission; the hub says: Forbidden"},
        {"a login for the list itself", 401, {}, "", kNothing, false, ErrorCode::hub_token_rejected, "set HF_TOKEN"},
        {"404 without code, about a file", 404, {}, "", kFile, false, ErrorCode::hub_file_not_found, "a.gguf"},
        {"404 without code, about a repository",
         404,
         {},
         "",
         {"org/model", "", ""},
         false,
         ErrorCode::hub_repo_not_found,
         "org/model"},
        {"404 without code, about nothing", 404, {}, "", kNothing, false, ErrorCode::hub_bad_response, "HF_ENDPOINT"},
        {"timeout of the hub", 408, {}, "", kNothing, false, ErrorCode::hub_unreachable, "status 408"},
        {"failure of the hub", 503, {}, "<html>", kNothing, false, ErrorCode::hub_unreachable, "mirror in HF_ENDPOINT"},
        {"range", 416, {}, "", kFile, false, ErrorCode::hub_bad_response, "unexpected status 416"},
        {"a status of nobody", 204, {}, "", kNothing, false, ErrorCode::hub_bad_response, "unexpected status 204"},
        {"a code counts more than a status",
         403,
         {{"X-Error-Code", "RevisionNotFound"}},
         "",
         kFile,
         true,
         ErrorCode::hub_revision_not_found,
         "v1"},
    };
    return all;
}

}  // namespace

TEST(HuggingFaceErrors, gives_every_refusal_its_own_code_and_words) {
    for (const Case& row : cases()) {
        const Error error = refusal({kUrl, row.subject, row.with_token}, {row.status, row.headers, row.body}, kNow);
        EXPECT_EQ(name_of(error.code()), name_of(row.code)) << row.what;
        EXPECT_TRUE(error.message().en.contains(row.says)) << row.what << ": " << error.message().en;
        EXPECT_FALSE(error.message().zh.empty()) << row.what;
    }
}

TEST(HuggingFaceErrors, speaks_chinese_too) {
    const Error error = refusal({kUrl, kFile, false}, {401, {{"X-Error-Code", "GatedRepo"}}, ""}, kNow);
    EXPECT_TRUE(error.message().zh.contains("接受许可协议")) << error.message().zh;
    EXPECT_TRUE(error.message().zh.contains("HF_TOKEN")) << error.message().zh;
}

TEST(HuggingFaceErrors, tells_when_to_come_back_after_a_rate_limit) {
    EXPECT_EQ(refusal({kUrl, kNothing, false}, {429, {{"Retry-After", "17"}}, ""}, kNow).retry_after(), 17);
    EXPECT_EQ(refusal({kUrl, kNothing, false}, {429, {}, ""}, kNow).retry_after(), 0);
    EXPECT_EQ(rate_limited(kUrl, std::chrono::milliseconds(1200)).retry_after(), 2);
}

TEST(HuggingFaceErrors, keeps_the_request_id_for_operators_and_the_query_out_of_logs) {
    const Error error = refusal({kUrl, kNothing, false}, {500, {{"X-Request-Id", "Root=1-ab"}}, ""}, kNow);
    EXPECT_EQ(error.log_note(), "https://huggingface.co/api/models/org/model answered 500, request id Root=1-ab");
}

TEST(HuggingFaceErrors, passes_the_words_of_a_hub_on_as_one_short_line) {
    const std::string wild = "a\r\nb\x1b[31m\xff" + std::string(1000, 'x');
    const Error error = refusal({kUrl, kNothing, false}, {400, {{"X-Error-Message", wild}}, ""}, kNow);
    EXPECT_TRUE(error.message().en.contains("a  b [31m xxx")) << error.message().en;
    EXPECT_LT(error.message().en.size(), 400u);
}

TEST(HuggingFaceErrors, names_the_host_and_a_way_out_when_the_network_fails) {
    const std::pair<HttpFailure, const char*> rows[] = {
        {HttpFailure::resolve, "can't be resolved"}, {HttpFailure::connect, "can't be connected"},
        {HttpFailure::tls, "secure connection"},     {HttpFailure::timeout, "in time"},
        {HttpFailure::stalled, "stopped sending"},   {HttpFailure::broken, "broke"}};
    for (const auto& [failure, words] : rows) {
        const Error error = network_failure(kUrl, HttpError(failure, "curl says so"));
        EXPECT_EQ(error.code(), ErrorCode::hub_unreachable) << words;
        for (const char* part : {"huggingface.co", "HTTPS_PROXY", "HF_ENDPOINT", words}) {
            EXPECT_TRUE(error.message().en.contains(part)) << part << " in " << error.message().en;
        }
        EXPECT_TRUE(error.log_note().contains("curl says so"));
        EXPECT_FALSE(error.log_note().contains("secret"));
    }
    EXPECT_EQ(network_failure(kUrl, HttpError(HttpFailure::blocked_address, "")).code(), ErrorCode::url_forbidden);
    EXPECT_EQ(network_failure(kUrl, HttpError(HttpFailure::too_large, "")).code(), ErrorCode::hub_bad_response);
    EXPECT_EQ(network_failure(kUrl, HttpError(HttpFailure::protocol, "")).code(), ErrorCode::hub_bad_response);
}

TEST(HuggingFaceErrors, tries_again_only_what_another_try_may_cure) {
    for (const int status : {408, 500, 502, 503, 504})
        EXPECT_TRUE(is_transient(status)) << status;
    for (const int status : {200, 307, 400, 401, 403, 404, 416, 429})
        EXPECT_FALSE(is_transient(status)) << status;
    for (const auto failure : {HttpFailure::resolve, HttpFailure::connect, HttpFailure::broken}) {
        EXPECT_TRUE(is_transient(failure)) << static_cast<int>(failure);
    }
    for (const auto failure : {HttpFailure::tls, HttpFailure::timeout, HttpFailure::stalled, HttpFailure::too_large,
                               HttpFailure::blocked_address, HttpFailure::protocol}) {
        EXPECT_FALSE(is_transient(failure)) << static_cast<int>(failure);
    }
}

}  // namespace llmm::hubs::huggingface
