// Runs a fuzzer's entry point without a fuzzer: every file of a corpus, then random mutations of them, always the same.
//
// usage: replay MUTATIONS CORPUS_DIRECTORY
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "input.hpp"

namespace {

using Bytes = std::vector<std::uint8_t>;
using Random = std::mt19937;

constexpr std::size_t kLongest = 4096;

std::size_t below(Random& random, std::size_t limit) { return random() % std::max<std::size_t>(limit, 1); }

std::vector<Bytes> read_all(const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());  // the order of a directory is not the same everywhere
    std::vector<Bytes> corpus;
    for (const auto& path : files) {
        std::ifstream file(path, std::ios::binary);
        corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    return corpus;
}

void mutate(Bytes& bytes, const std::vector<Bytes>& corpus, Random& random) {
    const std::size_t place = below(random, bytes.size());
    const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(place);
    switch (random() % 5) {
        case 0:
            if (!bytes.empty()) bytes[place] = static_cast<std::uint8_t>(random());
            break;
        case 1:
            if (!bytes.empty()) bytes[place] ^= static_cast<std::uint8_t>(1U << random() % 8);
            break;
        case 2:
            bytes.insert(at, 1 + below(random, 8), static_cast<std::uint8_t>(random()));
            break;
        case 3:
            bytes.erase(at, at + static_cast<std::ptrdiff_t>(below(random, std::min<std::size_t>(bytes.size() - place, 16))));
            break;
        default: {  // go on as another input does
            const Bytes& other = corpus[below(random, corpus.size())];
            bytes.resize(place);
            bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(below(random, other.size())), other.end());
        }
    }
    bytes.resize(std::min(bytes.size(), kLongest));
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) {
        std::fprintf(stderr, "usage: %s MUTATIONS CORPUS_DIRECTORY\n", arguments[0]);
        return 2;
    }
    const std::vector<Bytes> corpus = read_all(arguments[2]);
    if (corpus.empty()) {
        std::fprintf(stderr, "%s has no files\n", arguments[2]);
        return 2;
    }
    for (const Bytes& bytes : corpus) {
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
    const long mutations = std::strtol(arguments[1], nullptr, 10);
    Random random(20240229);  // NOLINT: the same inputs in every run
    for (long i = 0; i < mutations; ++i) {
        Bytes bytes = corpus[below(random, corpus.size())];
        for (std::size_t changes = 1 + below(random, 6); changes > 0; --changes) {
            mutate(bytes, corpus, random);
        }
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
    std::printf("%zu files, %ld mutations\n", corpus.size(), mutations);
    return 0;
}
