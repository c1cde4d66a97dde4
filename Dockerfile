# SPDX-License-Identifier: Apache-2.0
# ascmcu with its compilers: export, bench on host, simulator and QEMU, report. Runs as any user:
#   docker build -t ascmcu .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" ascmcu try model.tflite
FROM debian:12-slim AS wheel
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /build
COPY pyproject.toml README.md LICENSE /source/
COPY ascmcu /source/ascmcu
COPY boards /source/boards
COPY firmware /source/firmware
COPY templates /source/templates
COPY tools/bundle.py /source/tools/bundle.py
RUN /build/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /wheel /source

FROM debian:12-slim
# The versions of Debian 12: a release has one compiler, which the results name.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
    gcc gcc-arm-none-eabi libc6-dev libnewlib-arm-none-eabi python3-venv qemu-system-arm \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/ascmcu
# "fast" compiles the simulator's inner loop; "litert" compares with LiteRT. EXTRAS="" leaves the base install alone.
ARG EXTRAS=fast,litert
COPY --from=wheel /wheel /wheel
# The sources of CMSIS-DSP are fetched here, so that a container needs no network, and lie where every user reads them.
ENV ASCMCU_CMSIS_DSP=/opt/cmsis-dsp
RUN for made in /wheel/*.whl; do /opt/ascmcu/bin/pip install --no-cache-dir "$made${EXTRAS:+[$EXTRAS]}" || exit 1; done \
    && env -u ASCMCU_CMSIS_DSP ASCMCU_CACHE=/tmp/fetched /opt/ascmcu/bin/python -c \
    "import shutil; from ascmcu.toolchain import cmsis_dsp; cmsis_dsp.sources(); shutil.copytree(next(cmsis_dsp.home().glob('*')), '/opt/cmsis-dsp')" \
    && rm -rf /tmp/fetched /wheel
ENV PATH=/opt/ascmcu/bin:$PATH
WORKDIR /work
USER 65534:65534
ENTRYPOINT ["ascmcu"]
CMD ["--help"]
