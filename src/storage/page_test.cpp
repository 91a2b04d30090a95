#include "storage/page.hpp"

#include "base/error/error.hpp"
#include "base/ids/id.hpp"

#include <gtest/gtest.h>
#include <sodium.h>

namespace llmm::storage {
namespace {

constexpr const char* kId = "01890a5d-ac96-774b-bcce-b302099a8057";

std::string base64url(std::string_view data) {
    std::string text(sodium_base64_encoded_len(data.size(), sodium_base64_VARIANT_URLSAFE_NO_PADDING), '\0');
    sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(data.data()), data.size(),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    text.pop_back();
    return text;
}

TEST(Cursor, comes_back_as_it_was) {
    for (const Cursor& cursor : {Cursor{"created_at", 1'769'860'800'123, kId}, Cursor{"name", "模型 \"x\" ' ;--", kId},
                                 Cursor{"size", -1, kId}, Cursor{"name", "", kId}}) {
        const Cursor back = Cursor::parse(cursor.encode(), cursor.sort);
        EXPECT_EQ(back.value, cursor.value);
        EXPECT_EQ(back.id, cursor.id);
    }
}

TEST(Cursor, needs_no_escaping_in_a_url) {
    const std::string text = Cursor{"name", "\?\?\?>>>~~~ÿÿÿ", kId}.encode();
    EXPECT_EQ(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
              std::string::npos);
}

TEST(Cursor, of_another_order_is_refused) {
    EXPECT_THROW(Cursor::parse(Cursor{"name", "a", kId}.encode(), "created_at"), Error);
}

TEST(Cursor, anything_tampered_with_is_refused) {
    const std::string id = std::string("\"") + kId + "\"";
    const std::string good = R"(["s",1,)" + id + "]";
    ASSERT_NO_THROW(Cursor::parse(base64url(good), "s"));
    for (const std::string& text : {std::string(),
                                    std::string("%"),
                                    std::string("AAAA"),
                                    std::string("not base64!"),
                                    base64url(good) + "=",
                                    base64url(good) + "A",
                                    base64url(good).substr(1),
                                    " " + base64url(good),
                                    base64url(" " + good),
                                    base64url(good + " "),
                                    base64url("{}"),
                                    base64url("[]"),
                                    base64url("null"),
                                    base64url(R"(["s",1])"),
                                    base64url(R"(["s",1,"x"])"),
                                    base64url(R"(["s",1,2])"),
                                    base64url(R"(["s",1.5,)" + id + "]"),
                                    base64url(R"(["s",null,)" + id + "]"),
                                    base64url(R"(["s",true,)" + id + "]"),
                                    base64url(R"(["s",[1],)" + id + "]"),
                                    base64url(R"([1,1,)" + id + "]"),
                                    base64url(R"(["s",1,)" + id + ",1]"),
                                    base64url(R"(["s",9223372036854775808,)" + id + "]"),
                                    base64url(R"(["s","\u0000",)" + id + "]"),
                                    base64url(R"(["s",01,)" + id + "]"),
                                    base64url("[\"s\",\"\xff\"," + id + "]"),
                                    base64url(std::string(100, '[')),
                                    std::string(5000, 'A')}) {
        try {
            Cursor::parse(text, "s");
            ADD_FAILURE() << text << " was accepted";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::validation_failed) << text;
        }
    }
}

TEST(Page, the_extra_row_only_says_that_there_is_more) {
    const auto cursor_of = [](int item) { return Cursor{"s", item, kId}; };
    const auto more = make_page(std::vector{1, 2, 3}, 2, cursor_of);
    EXPECT_EQ(more.items, (std::vector{1, 2}));
    ASSERT_TRUE(more.next_cursor);
    EXPECT_EQ(std::get<std::int64_t>(Cursor::parse(*more.next_cursor, "s").value), 2);
    EXPECT_FALSE(make_page(std::vector{1, 2}, 2, cursor_of).next_cursor);
    EXPECT_FALSE(make_page(std::vector<int>{}, 2, cursor_of).next_cursor);
}

}  // namespace
}  // namespace llmm::storage
