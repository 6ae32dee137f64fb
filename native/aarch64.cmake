# Builds for 64-bit ARM Linux (glibc 2.31) on any machine, with the compiler of the PyPI package `ziglang`; tests run
# under qemu where it is installed, on Debian with `apt-get install qemu-user-static libc6-arm64-cross`.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
find_program(MPIPELINE_PYTHON NAMES python python3 REQUIRED)
set(CMAKE_CXX_COMPILER ${MPIPELINE_PYTHON} -m ziglang c++ -target aarch64-linux-gnu.2.31)
find_program(MPIPELINE_QEMU NAMES qemu-aarch64-static qemu-aarch64)
if(MPIPELINE_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${MPIPELINE_QEMU} -L /usr/aarch64-linux-gnu)
endif()
