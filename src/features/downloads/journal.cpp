#include "features/downloads/journal.hpp"

#include "features/downloads/checksum.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>

namespace llmm::downloads {
namespace {

// A record: kind (4 bytes), zero (4), payload (48), checksum of the 56 bytes before (8). Numbers are little endian.
constexpr std::size_t kRecordBytes = 64, kPayloadAt = 8, kPayloadBytes = 48, kCheckAt = 56;
constexpr std::uint32_t kHeader = 0x4a4d4c31;  // "1LMJ": also the version
constexpr std::uint32_t kSegment = 1, kMidstate = 2, kDigest = 3;
constexpr std::size_t kMaxBytes = 512 << 20;  // some 8 TB of file

static_assert(std::endian::native == std::endian::little, "records are written as they are in memory");

template <class T>
T read_number(std::span<const std::byte> bytes, std::size_t at) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

template <class T>
void write_number(std::span<std::byte> bytes, std::size_t at, T value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
}

std::array<std::byte, 32> bytes_of(const Sha256& digest) {
    std::array<std::byte, 32> bytes;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        unsigned value = 0;
        const char* const hex = digest.hex().data() + 2 * i;
        std::from_chars(hex, hex + 2, value, 16);
        bytes[i] = static_cast<std::byte>(value);
    }
    return bytes;
}

Sha256 digest_of(std::span<const std::byte> bytes) {
    std::string hex;
    for (const std::byte byte : bytes.first(32)) {
        constexpr char kHex[] = "0123456789abcdef";
        hex += kHex[static_cast<unsigned>(byte) >> 4];
        hex += kHex[static_cast<unsigned>(byte) & 0x0f];
    }
    return *Sha256::parse(hex);
}

void read_record(std::span<const std::byte> record, JournalContents& contents) {
    const auto payload = record.subspan(kPayloadAt, kPayloadBytes);
    switch (read_number<std::uint32_t>(record, 0)) {
        case kSegment: {
            const auto begin = read_number<std::uint64_t>(payload, 0), end = read_number<std::uint64_t>(payload, 8);
            if (begin < end) contents.segments[begin] = {end, read_number<std::uint64_t>(payload, 16)};
            break;
        }
        case kMidstate: {
            Sha256Stream::Midstate midstate{.bytes = read_number<std::uint64_t>(payload, 0), .words = {}};
            for (std::size_t i = 0; i < midstate.words.size(); ++i)
                midstate.words[i] = read_number<std::uint32_t>(payload, 8 + 4 * i);
            if (midstate.bytes > 0 && midstate.bytes % 64 == 0) contents.midstates.push_back(midstate);
            break;
        }
        case kDigest:
            contents.digest = digest_of(payload);
            break;
        default:
            break;  // of a later version
    }
}

}  // namespace

std::optional<JournalContents> parse_journal(std::span<const std::byte> bytes, std::uint64_t identity) {
    JournalContents contents;
    bool is_ours = false;
    for (; bytes.size() >= kRecordBytes; bytes = bytes.subspan(kRecordBytes)) {
        const auto record = bytes.first(kRecordBytes);
        if (read_number<std::uint64_t>(record, kCheckAt) != Checksum::of(record.first(kCheckAt))) continue;
        if (read_number<std::uint32_t>(record, 0) != kHeader) {
            read_record(record, contents);
        } else if (read_number<std::uint64_t>(record, kPayloadAt) == identity) {
            is_ours = true;
        } else {
            return std::nullopt;
        }
    }
    if (!is_ours) return std::nullopt;
    return contents;
}

Journal::Journal(std::filesystem::path path, std::string_view identity)
    : path_(std::move(path)), identity_(Checksum::of(std::as_bytes(std::span(identity)))) {
    std::error_code missing;
    const auto size = std::filesystem::file_size(path_, missing);
    if (missing || size > kMaxBytes) return;
    fd_ = open_file(path_, O_RDWR);
    std::vector<std::byte> bytes(size);
    bytes.resize(read_at(fd_.get(), bytes, 0));
    if (auto contents = parse_journal(bytes, identity_)) {
        contents_ = *std::move(contents);
        end_ = (bytes.size() + kRecordBytes - 1) / kRecordBytes * kRecordBytes;
    } else {
        fd_.reset();
    }
}

void Journal::append(std::uint32_t kind, std::span<const std::byte> payload) {
    pending_.resize(pending_.size() + kRecordBytes);
    const auto record = std::span(pending_).last(kRecordBytes);
    write_number(record, 0, kind);
    std::memcpy(record.data() + kPayloadAt, payload.data(), payload.size());
    write_number(record, kCheckAt, Checksum::of(record.first(kCheckAt)));
}

void Journal::add_segment(ByteRange range, std::uint64_t checksum) {
    const std::array<std::uint64_t, 3> payload{range.begin, range.end, checksum};
    append(kSegment, std::as_bytes(std::span(payload)));
}

void Journal::add_midstate(const Sha256Stream::Midstate& midstate) {
    std::array<std::byte, kPayloadBytes> payload{};
    write_number(payload, 0, midstate.bytes);
    for (std::size_t i = 0; i < midstate.words.size(); ++i)
        write_number(payload, 8 + 4 * i, midstate.words[i]);
    append(kMidstate, payload);
}

void Journal::add_digest(const Sha256& digest) {
    append(kDigest, bytes_of(digest));
}

void Journal::flush() {
    if (pending_.empty()) return;
    if (!fd_) {
        fd_ = open_file(path_, O_RDWR | O_CREAT | O_TRUNC);
        std::vector<std::byte> records = std::exchange(pending_, {});
        append(kHeader, std::as_bytes(std::span(&identity_, 1)));
        pending_.insert(pending_.end(), records.begin(), records.end());
    }
    write_all(fd_.get(), pending_, end_);
    end_ += pending_.size();
    pending_.clear();
}

void Journal::clear() {
    fd_.reset();
    end_ = 0;
    pending_.clear();
    contents_ = {};
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
}

}  // namespace llmm::downloads
