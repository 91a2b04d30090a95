#include "integrations/huggingface/huggingface_hub.hpp"

#include "base/error/error.hpp"
#include "base/json/json.hpp"
#include "support/fake_hub.hpp"
#include "support/run_task.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/json.hpp>
#include <gtest/gtest.h>

// The client against the fake hub, over real connections.
namespace llmm::hubs {
namespace {

using std::chrono::milliseconds;

constexpr const char* kToken = "hf_a_token_of_the_tests";

struct HuggingFaceHubTest : testing::Test {
    // One for all tests: it starts in a quarter of a second.
    static void SetUpTestSuite() { fake = new test::FakeHub({"--token", std::string(kToken) + "=ada"}); }
    static void TearDownTestSuite() {
        delete fake;
        fake = nullptr;
    }
    inline static test::FakeHub* fake = nullptr;

    void SetUp() override {
        fake->clear_faults();
        fake->set("quotas", json::object());
        fake->set("tree_page", 1000);
        fake->set("list_page", 1000);
        commit = fake->add_repository(describe("org/model"));
        fake->clear_log();
    }
    void TearDown() override { fake->control("DELETE", "repos/models/org/model"); }

    static json::object describe(std::string_view id) {
        return {{"id", id},
                {"downloads", 7},
                {"likes", 3},
                {"pipeline_tag", "text-generation"},
                {"cardData", {{"license", "mit"}}},
                {"files",
                 {{"README.md", {{"text", "# A model 模型"}}},
                  {"config.json", {{"text", "{}"}}},
                  {"sub/model.gguf", {{"size", 1000}, {"seed", 1}}}}}};
    }

    static HuggingFaceHub::Options options(std::string_view token = {}) {
        return {.endpoint = *Url::parse(fake->url()),
                .token = SecretString(std::string(token)),
                .cache_lifetime = milliseconds(0),
                .request_timeout = milliseconds(5000),
                .first_retry_delay = milliseconds(1),
                .max_retry_delay = milliseconds(4),
                .max_throttle_wait = milliseconds(2500)};
    }
    HuggingFaceHub& hub(HuggingFaceHub::Options chosen) { return hub_.emplace(std::move(chosen), http, guard); }
    HuggingFaceHub& hub(std::string_view token = {}) { return hub(options(token)); }

    template <class T>
    T run(Task<T> task) {
        return test::run_task(loop, std::move(task));
    }
    // The Error of a call that must fail; INTERNAL "no error" when it does not.
    template <class T>
    Error error_of(Task<T> task) {
        try {
            run(std::move(task));
        } catch (const Error& error) {
            return error;
        }
        return Error(ErrorCode::internal, {"no error", ""});
    }
    template <class T>
    std::string code_of(Task<T> task) {
        return std::string(name_of(error_of(std::move(task)).code()));
    }
    RemoteSource located(std::string path, std::string_view token = {}) {
        return std::get<RemoteSource>(run(hub(token).locate("org/model", commit, std::move(path))));
    }
    static std::size_t requests(std::string_view path, std::string_view host = "hub") {
        std::size_t count = 0;
        for (const json::value& entry : fake->log()) {
            count += entry.at("path").as_string() == path && entry.at("host").as_string() == host;
        }
        return count;
    }

    asio::io_context loop;
    UrlGuard guard{{"127.0.0.1"}};
    HttpClient http{{.user_agent = "llm-manager-tests"}, guard};
    std::optional<HuggingFaceHub> hub_;
    std::string commit;
};

}  // namespace

TEST_F(HuggingFaceHubTest, finds_models_and_turns_all_pages) {
    for (int i = 0; i < 5; ++i) {
        fake->add_repository(
            {{"id", fmt::format("pages/m{}", i)}, {"downloads", 100 + i}, {"files", {{"m.gguf", {{"text", "x"}}}}}});
    }
    std::vector<std::string> seen;
    SearchQuery query{.text = "pages/ m", .format = "gguf", .limit = 2};
    do {
        const SearchPage page = run(hub().search(query));
        EXPECT_LE(page.models.size(), 2u);
        for (const ModelSummary& model : page.models)
            seen.push_back(model.repo);
        query.cursor = page.next_cursor;
    } while (!query.cursor.empty() && seen.size() < 10);
    EXPECT_EQ(seen, (std::vector<std::string>{"pages/m4", "pages/m3", "pages/m2", "pages/m1", "pages/m0"}));
    for (int i = 0; i < 5; ++i)
        fake->control("DELETE", fmt::format("repos/models/pages/m{}", i));
}

TEST_F(HuggingFaceHubTest, tells_what_the_list_says_of_a_model) {
    const SearchPage page =
        run(hub().search({.text = "model", .category = "text-generation", .sort = SortOrder::updated}));
    ASSERT_EQ(page.models.size(), 1u);
    const ModelSummary& model = page.models[0];
    EXPECT_EQ(model.repo, "org/model");
    EXPECT_EQ(model.author, "org");
    EXPECT_EQ(model.downloads, 7);
    EXPECT_EQ(model.license, "mit");
    EXPECT_EQ(model.formats, std::vector<std::string>{"gguf"});
    EXPECT_TRUE(model.updated_at);
    EXPECT_TRUE(run(hub().search({.text = "model", .category = "image-to-text"})).models.empty());
}

TEST_F(HuggingFaceHubTest, says_how_old_a_page_from_the_cache_is) {
    auto cached = options();
    cached.cache_lifetime = std::chrono::hours(1);
    hub(cached);
    const TimePoint first = run(hub_->search({.text = "model"})).fetched_at;
    std::this_thread::sleep_for(milliseconds(5));
    EXPECT_EQ(run(hub_->search({.text = "model"})).fetched_at, first);
    EXPECT_EQ(requests("/api/models"), 1u);
    EXPECT_GT(run(hub_->search({.text = "other"})).fetched_at, first);
}

TEST_F(HuggingFaceHubTest, refuses_a_cursor_that_the_hub_does_not_know) {
    EXPECT_EQ(code_of(hub().search({.cursor = "http://169.254.169.254/"})), "MALFORMED_REQUEST");
    EXPECT_EQ(fake->log().size(), 1u);  // asked the hub, and nobody else
}

TEST_F(HuggingFaceHubTest, lists_categories) {
    const auto categories = run(hub().categories());
    ASSERT_EQ(categories.size(), 1u);
    EXPECT_EQ(categories[0].id, "text-generation");
}

TEST_F(HuggingFaceHubTest, describes_a_repository_at_its_commit) {
    const Repository repository = run(hub().repository("org/model", ""));
    EXPECT_EQ(repository.revision, commit);
    EXPECT_EQ(repository.card, "# A model 模型");
    ASSERT_EQ(repository.files.size(), 3u);
    EXPECT_EQ(repository.files[1].path, "config.json");
    EXPECT_EQ(repository.files[1].git_sha1, git_blob_sha1(std::as_bytes(std::span("{}", 2))));
    EXPECT_EQ(repository.files[2].path, "sub/model.gguf");
    EXPECT_EQ(repository.files[2].size, 1000u);
    EXPECT_TRUE(repository.files[2].sha256);
}

TEST_F(HuggingFaceHubTest, pins_any_name_of_a_revision_to_its_commit) {
    auto description = describe("org/model");
    description["revisions"] = {{"refs/pr/1", {{"files", {{"new.txt", {{"text", "n"}}}}}}}};
    fake->add_repository(description);
    const Repository proposal = run(hub().repository("org/model", "refs/pr/1"));
    EXPECT_NE(proposal.revision, commit);
    ASSERT_EQ(proposal.files.size(), 1u);
    EXPECT_EQ(proposal.files[0].path, "new.txt");
    EXPECT_EQ(run(hub().repository("org/model", commit)).files.size(), 3u);
}

TEST_F(HuggingFaceHubTest, turns_the_pages_of_the_tree_when_sizes_are_missing) {
    fake->set("tree_page", 2);
    fake->add_fault({{"kind", "missing_size"}}, {{"path", "/api/models/org/model"}});
    const Repository repository = run(hub().repository("org/model", ""));
    EXPECT_EQ(repository.files.size(), 3u);
    for (const RemoteFile& file : repository.files)
        EXPECT_TRUE(file.size) << file.path;
    EXPECT_EQ(requests("/api/models/org/model/tree/" + commit), 2u);  // three files and a directory
}

TEST_F(HuggingFaceHubTest, follows_a_rename_and_tells_the_new_name) {
    fake->add_repository({{"id", "old/name"}, {"rename_to", "org/model"}});
    const Repository repository = run(hub(kToken).repository("old/name", ""));
    EXPECT_EQ(repository.summary.repo, "org/model");
    EXPECT_EQ(repository.revision, commit);
    EXPECT_EQ(requests("/org/model/resolve/" + commit + "/README.md"), 1u);  // not by way of the old name again
    EXPECT_EQ(requests("/old/name/resolve/" + commit + "/README.md"), 0u);
    const auto source = std::get<RemoteSource>(run(hub().locate("old/name", commit, "sub/model.gguf")));
    EXPECT_EQ(source.url.origin(), fake->cdn());
}

TEST_F(HuggingFaceHubTest, gives_a_signed_url_without_the_token_for_a_large_file) {
    const RemoteSource source = located("sub/model.gguf", kToken);
    EXPECT_EQ(source.url.origin(), fake->cdn());
    EXPECT_TRUE(source.bearer.empty());
    const auto lifetime = source.expires_at.value() - now();
    EXPECT_GT(lifetime, std::chrono::minutes(59));
    EXPECT_LE(lifetime, std::chrono::minutes(61));
    const HttpResponse response = run(http.fetch({.url = source.url}));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body.size(), 1000u);
}

TEST_F(HuggingFaceHubTest, gives_the_hubs_own_url_with_the_token_for_a_small_file) {
    const RemoteSource source = located("config.json", kToken);
    EXPECT_EQ(source.url.origin(), fake->url());
    EXPECT_EQ(source.bearer.reveal(), kToken);
    EXPECT_FALSE(source.expires_at);
    EXPECT_EQ(run(http.fetch({.url = source.url, .bearer = source.bearer})).body, "{}");
}

TEST_F(HuggingFaceHubTest, never_shows_the_token_to_another_host) {
    auto description = describe("org/model");
    description["lfs"] = json::array{"README.md"};  // the card comes from the CDN then
    commit = fake->add_repository(description);
    EXPECT_TRUE(run(hub(kToken).repository("org/model", "")).card);
    const RemoteSource source = located("sub/model.gguf", kToken);
    run(http.fetch({.url = source.url, .bearer = source.bearer}));
    std::size_t at_hub = 0, at_cdn = 0;
    for (const json::value& entry : fake->log()) {
        const bool is_hub = entry.at("host").as_string() == "hub";
        EXPECT_EQ(entry.at("authorization").as_bool(), is_hub) << json::serialize(entry);
        ++(is_hub ? at_hub : at_cdn);
    }
    EXPECT_GE(at_hub, 3u);
    EXPECT_EQ(at_cdn, 2u);
}

TEST_F(HuggingFaceHubTest, needs_a_listed_token_for_a_gated_file) {
    auto description = describe("org/model");
    description["gated"] = "manual";
    description["tokens"] = json::array{"hf_listed"};
    commit = fake->add_repository(description);
    const Repository repository = run(hub().repository("org/model", ""));  // what describes it is public
    EXPECT_TRUE(repository.summary.gated);
    EXPECT_FALSE(repository.card);
    const Error anonymous = error_of(hub().locate("org/model", commit, "sub/model.gguf"));
    EXPECT_EQ(anonymous.code(), ErrorCode::hub_gated);
    EXPECT_TRUE(anonymous.message().en.contains("accept its licence")) << anonymous.message().en;
    EXPECT_TRUE(anonymous.log_note().contains("request id Root=")) << anonymous.log_note();
    const Error stranger = error_of(hub(kToken).locate("org/model", commit, "sub/model.gguf"));
    EXPECT_EQ(stranger.code(), ErrorCode::hub_gated);
    EXPECT_TRUE(stranger.message().en.contains("not on its list")) << stranger.message().en;
    EXPECT_EQ(located("sub/model.gguf", "hf_listed").url.origin(), fake->cdn());
}

TEST_F(HuggingFaceHubTest, tells_every_refusal_apart) {
    auto secret = describe("org/secret");
    secret["private"] = true;
    secret["tokens"] = json::array{"hf_listed"};
    fake->add_repository(secret);
    auto disabled = describe("org/disabled");
    disabled["disabled"] = true;
    const std::string disabled_commit = fake->add_repository(disabled);

    EXPECT_EQ(code_of(hub().repository("org/missing", "")), "HUB_REPO_NOT_FOUND");
    EXPECT_EQ(code_of(hub(kToken).repository("org/missing", "")), "HUB_REPO_NOT_FOUND");
    EXPECT_EQ(code_of(hub().repository("org/secret", "")), "HUB_REPO_NOT_FOUND");
    EXPECT_TRUE(run(hub("hf_listed").repository("org/secret", "")).summary.is_private);
    EXPECT_EQ(code_of(hub("hf_wrong").repository("org/model", "")), "HUB_TOKEN_REJECTED");
    EXPECT_EQ(code_of(hub().repository("org/model", "no-such-branch")), "HUB_REVISION_NOT_FOUND");
    EXPECT_EQ(code_of(hub().locate("org/model", std::string(40, '0'), "config.json")), "HUB_REVISION_NOT_FOUND");
    EXPECT_EQ(code_of(hub().locate("org/model", commit, "missing.gguf")), "HUB_FILE_NOT_FOUND");
    EXPECT_EQ(code_of(hub().repository("org/disabled", "")), "HUB_DISABLED");
    EXPECT_EQ(code_of(hub().locate("org/disabled", disabled_commit, "config.json")), "HUB_DISABLED");
    fake->control("DELETE", "repos/models/org/secret");
    fake->control("DELETE", "repos/models/org/disabled");
}

TEST_F(HuggingFaceHubTest, refuses_names_and_paths_that_would_lead_elsewhere) {
    EXPECT_EQ(code_of(hub().repository("../../admin", "")), "VALIDATION_FAILED");
    EXPECT_EQ(code_of(hub().repository("org/model?x", "")), "VALIDATION_FAILED");
    EXPECT_EQ(code_of(hub().repository("org/model", "../main")), "VALIDATION_FAILED");
    EXPECT_EQ(code_of(hub().locate("org/model", commit, "../../../api/whoami-v2")), "URL_FORBIDDEN");
    EXPECT_TRUE(fake->log().empty());
}

TEST_F(HuggingFaceHubTest, tries_again_after_a_burst_of_failures) {
    fake->add_fault({{"kind", "status"}, {"status", 503}}, {{"count", 4}});
    EXPECT_EQ(run(hub().search({.text = "model"})).models.size(), 1u);
    EXPECT_EQ(requests("/api/models"), 5u);
}

TEST_F(HuggingFaceHubTest, gives_up_after_five_failures) {
    fake->add_fault({{"kind", "status"}, {"status", 502}});
    const Error error = error_of(hub().search({}));
    EXPECT_EQ(error.code(), ErrorCode::hub_unreachable);
    EXPECT_TRUE(error.message().en.contains("502")) << error.message().en;
    EXPECT_EQ(requests("/api/models"), 5u);
}

TEST_F(HuggingFaceHubTest, tries_again_after_a_broken_connection) {
    fake->add_fault({{"kind", "reset"}}, {{"count", 2}});
    EXPECT_EQ(run(hub().search({.text = "model"})).models.size(), 1u);
}

TEST_F(HuggingFaceHubTest, waits_out_a_rate_limit_and_does_not_count_it_as_a_failure) {
    fake->add_fault({{"kind", "status"}, {"status", 429}, {"retry_after", 1}}, {{"count", 1}});
    fake->add_fault({{"kind", "status"}, {"status", 503}}, {{"nth", 2}, {"count", 4}});
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(run(hub().search({.text = "model"})).models.size(), 1u);
    EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(950));
    EXPECT_EQ(requests("/api/models"), 6u);
}

TEST_F(HuggingFaceHubTest, does_not_wait_for_a_window_that_is_far_away) {
    fake->set("quotas", json::object{{"api", 1}});
    run(hub().search({}));
    const Error error = error_of(hub_->search({.text = "x"}));
    EXPECT_EQ(error.code(), ErrorCode::hub_rate_limited);
    EXPECT_GT(error.retry_after(), 200);
    EXPECT_EQ(requests("/api/models"), 1u);                               // known beforehand: not even asked
    EXPECT_EQ(code_of(hub().search({.text = "x"})), "HUB_RATE_LIMITED");  // this one had to ask
    EXPECT_EQ(requests("/api/models"), 2u);
}

TEST_F(HuggingFaceHubTest, refuses_answers_that_are_not_a_hubs) {
    fake->add_fault({{"kind", "malformed_json"}}, {{"path", "/api/models"}});
    EXPECT_EQ(code_of(hub().search({})), "HUB_BAD_RESPONSE");
    fake->clear_faults();
    fake->add_fault({{"kind", "captive_portal"}});
    const Error page = error_of(hub().repository("org/model", ""));
    EXPECT_EQ(page.code(), ErrorCode::hub_bad_response);
    EXPECT_TRUE(page.message().en.contains("a web page came instead")) << page.message().en;
    EXPECT_EQ(code_of(hub().locate("org/model", commit, "config.json")), "HUB_BAD_RESPONSE");
    fake->clear_faults();
    fake->add_fault({{"kind", "wrong_size"}, {"value", -1}});
    EXPECT_EQ(code_of(hub().repository("org/model", "")), "HUB_BAD_RESPONSE");
    fake->clear_faults();
    fake->add_fault({{"kind", "wrong_sha256"}, {"value", "../../etc/passwd"}});
    EXPECT_EQ(code_of(hub().repository("org/model", "")), "HUB_BAD_RESPONSE");
}

TEST_F(HuggingFaceHubTest, leaves_a_redirect_loop) {
    fake->add_fault({{"kind", "redirect_loop"}});
    EXPECT_EQ(code_of(hub().repository("org/model", "")), "HUB_BAD_RESPONSE");
    EXPECT_EQ(requests("/api/models/org/model"), 6u);
}

TEST_F(HuggingFaceHubTest, refuses_redirects_to_forbidden_places) {
    for (const char* location :
         {"http://169.254.169.254/latest/meta-data/", "http://localhost:22/", "http://10.0.0.1/x"}) {
        fake->clear_faults();
        fake->add_fault({{"kind", "redirect"}, {"location", location}});
        EXPECT_EQ(code_of(hub().locate("org/model", commit, "config.json")), "URL_FORBIDDEN") << location;
        EXPECT_EQ(code_of(hub().repository("org/model", "")), "URL_FORBIDDEN") << location;
    }
    for (const char* location : {"file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "http://[", ""}) {
        fake->clear_faults();
        fake->add_fault({{"kind", "redirect"}, {"location", location}});
        EXPECT_EQ(code_of(hub().locate("org/model", commit, "config.json")), "HUB_BAD_RESPONSE") << location;
    }
}

TEST_F(HuggingFaceHubTest, takes_data_from_the_hub_alone_and_files_only_when_the_hub_vouches_for_them) {
    // An allowed host, yet neither the hub nor told of by it: a login page that redirects.
    fake->add_fault({{"kind", "redirect"}, {"location", fake->cdn() + "/login"}});
    EXPECT_EQ(code_of(hub(kToken).repository("org/model", "")), "HUB_BAD_RESPONSE");
    EXPECT_EQ(code_of(hub(kToken).locate("org/model", commit, "config.json")), "HUB_BAD_RESPONSE");
    EXPECT_EQ(requests("/login", "cdn"), 0u);
}

TEST_F(HuggingFaceHubTest, says_so_when_nobody_listens) {
    asio::ip::tcp::acceptor closed(loop, {asio::ip::address_v4::loopback(), 0});
    auto chosen = options();
    chosen.endpoint = *Url::parse(fmt::format("http://127.0.0.1:{}", closed.local_endpoint().port()));
    closed.close();
    const Error error = error_of(hub(chosen).search({}));
    EXPECT_EQ(error.code(), ErrorCode::hub_unreachable);
    EXPECT_TRUE(error.message().en.contains("127.0.0.1 can't be reached")) << error.message().en;
}

TEST_F(HuggingFaceHubTest, does_not_wait_for_a_slow_hub_for_ever) {
    fake->add_fault({{"kind", "stall"}});
    auto chosen = options();
    chosen.request_timeout = milliseconds(100);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(code_of(hub(chosen).search({})), "HUB_UNREACHABLE");
    EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(1500));
}

TEST_F(HuggingFaceHubTest, works_below_a_path_of_the_endpoint) {
    auto chosen = options();
    chosen.endpoint = *Url::parse(fake->url() + "/hf/");
    EXPECT_EQ(code_of(hub(chosen).search({})), "HUB_BAD_RESPONSE");  // 404: the fake hub has no such path
    EXPECT_EQ(requests("/hf/api/models"), 1u);
}

}  // namespace llmm::hubs
