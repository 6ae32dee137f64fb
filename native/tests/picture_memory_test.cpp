// Memory that is kept for the next picture: reused where the size is right, freed beyond the limit, safe among threads.
#include "mpipeline/picture_memory.hpp"

#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "check.hpp"

using namespace mpipeline;

namespace {

void what_was_given_back_last_is_taken_first() {
    PictureMemory memory(1000);
    PieceOfMemory first = memory.take(100), second = memory.take(100);
    const std::uint8_t *one = first.bytes.get(), *other = second.bytes.get();
    CHECK(one != other);
    memory.give_back(std::move(first));
    memory.give_back(std::move(second));
    CHECK(memory.kept_bytes() == 200);
    const PieceOfMemory third = memory.take(100), fourth = memory.take(100);
    CHECK(third.bytes.get() == other && fourth.bytes.get() == one);
    CHECK(memory.kept_bytes() == 0);
}

void another_size_is_fresh_memory() {
    PictureMemory memory(1000);
    memory.give_back(memory.take(100));
    const PieceOfMemory piece = memory.take(101);
    CHECK(piece.size == 101 && memory.kept_bytes() == 100);
}

void the_oldest_is_freed_beyond_the_limit() {
    PictureMemory memory(1000);
    std::vector<PieceOfMemory> pieces;
    for (int i = 0; i < 3; ++i) pieces.push_back(memory.take(400));
    pieces.push_back(memory.take(1001));
    for (PieceOfMemory& piece : pieces) memory.give_back(std::move(piece));
    CHECK(memory.kept_bytes() == 800);
}

void threads_never_share_a_piece() {
    PictureMemory memory(3 * 4096);
    std::vector<std::thread> threads;
    for (int number = 0; number < 4; ++number) {
        threads.emplace_back([&memory, number] {
            for (int round = 0; round < 2000; ++round) {
                PieceOfMemory piece = memory.take(4096);
                std::memset(piece.bytes.get(), number, piece.size);
                for (std::size_t i = 0; i < piece.size; i += 512) CHECK(piece.bytes[i] == number);
                memory.give_back(std::move(piece));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(memory.kept_bytes() <= 3 * 4096);
}

}  // namespace

int main() {
    what_was_given_back_last_is_taken_first();
    another_size_is_fresh_memory();
    the_oldest_is_freed_beyond_the_limit();
    threads_never_share_a_piece();
    return 0;
}
