// Assertions for the native tests: a failed one prints where and what, and ends the program.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string_view>

#define CHECK(condition)                                                                    \
    do {                                                                                    \
        if (!(condition)) {                                                                 \
            std::fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #condition); \
            std::exit(1);                                                                   \
        }                                                                                   \
    } while (false)

// The expression throws an Error whose message contains `part`.
#define CHECK_THROWS(expression, Error, part)                                                           \
    do {                                                                                                \
        bool thrown = false;                                                                            \
        try {                                                                                           \
            static_cast<void>(expression);                                                              \
        } catch (const Error& error) {                                                                  \
            thrown = true;                                                                              \
            if (std::string_view(error.what()).find(part) == std::string_view::npos) {                  \
                std::fprintf(stderr, "%s:%d: \"%s\" lacks \"%s\"\n", __FILE__, __LINE__, error.what(), part); \
                std::exit(1);                                                                           \
            }                                                                                           \
        }                                                                                               \
        if (!thrown) {                                                                                  \
            std::fprintf(stderr, "%s:%d: %s did not throw\n", __FILE__, __LINE__, #expression);         \
            std::exit(1);                                                                               \
        }                                                                                               \
    } while (false)
