#!/usr/bin/env bash
# Installs mpipeline on a Jetson with JetPack 6 or 7, beside the system's TensorRT, and lets `mpipeline doctor` look over the rest.
# In a clone of the repository: deploy/jetson/setup.sh [FOLDER] [EXTRAS], by default /opt/mpipeline and no extras.
# It changes nothing but that folder: what the system lacks is listed, with the commands that get it. Run again after them.
set -euo pipefail

folder=${1:-/opt/mpipeline}
extras=${2:-}
lacking=0

lacks() { # what, and the command that gets it
  printf 'lacking: %s\n         → %s\n' "$1" "$2"
  lacking=1
}

cd "$(dirname "$0")/../.."

release=$(sed -nE '1s/^# R([0-9]+) \(release\), REVISION: ([0-9.]+).*/\1.\2/p' /etc/nv_tegra_release 2>/dev/null || true)
if [ -z "$release" ]; then
  lacks "Jetson Linux: there is no /etc/nv_tegra_release" "on other machines: python3 -m venv $folder && $folder/bin/pip install ."
  exit 1
elif [ "${release%%.*}" -lt 36 ]; then
  lacks "JetPack 6 or later: this is Jetson Linux $release, whose Python is too old" "flash JetPack 6 or 7"
  exit 1
fi
echo "Jetson Linux $release"

python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  lacks "Python 3.10 or later as python3" "sudo apt-get install python3"
python3 -c 'import ensurepip, venv' 2>/dev/null ||
  lacks "python3-venv" "sudo apt-get install python3-venv"
command -v g++ >/dev/null ||
  lacks "a C++ compiler" "sudo apt-get install g++"
include=$(python3 -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
[ -e "$include/Python.h" ] ||
  lacks "the headers of Python" "sudo apt-get install python3-dev"

cuda=${CUDA_HOME:-/usr/local/cuda}
[ -x "$cuda/bin/nvcc" ] ||
  lacks "the CUDA toolkit, with which pycuda is compiled" "sudo apt-get install nvidia-cuda-dev, or CUDA_HOME=… where it is"

# The bindings are the system's: wheels from PyPI are for other machines, and fit neither its driver nor its engines.
if ! why=$(python3 -c 'import tensorrt' 2>&1); then
  case $why in
    *libnvdla_compiler.so*)
      lacks "libnvdla_compiler.so, without which TensorRT does not load" "sudo apt-get install nvidia-l4t-dla-compiler && sudo ldconfig"
      ;;
    *"No module named"*)
      lacks "TensorRT for Python" "sudo apt-get install python3-libnvinfer"
      ;;
    *)
      lacks "a TensorRT that loads: ${why##*$'\n'}" "sudo apt-get install --reinstall nvidia-tensorrt"
      ;;
  esac
fi

# Through it the hardware decodes; sources of kind gstreamer ask for these three.
python3 -c '
import gi
for name in "Gst", "GstApp", "GstVideo":
    gi.require_version(name, "1.0")' 2>/dev/null ||
  lacks "GStreamer for Python, through which the hardware decodes" "sudo apt-get install -y python3-gi gir1.2-gst-plugins-base-1.0 \
gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav nvidia-l4t-gstreamer"

parent=$folder
while [ ! -e "$parent" ]; do parent=$(dirname "$parent"); done
[ -w "$parent" ] ||
  lacks "permission to write $folder" "sudo install -d -o $(id -un) $folder"

if [ "$lacking" = 1 ]; then
  echo "nothing was installed"
  exit 1
fi

python3 -m venv --system-site-packages "$folder"
PATH="$cuda/bin:$PATH" "$folder/bin/pip" install --upgrade ".${extras:+[$extras]}" 'pycuda>=2024.1' 'onnx>=1.16'
exec "$folder/bin/mpipeline" doctor
