#!/usr/bin/env bash
# Everything that waits for a GPU, three seeds each, in the order of their worth: every step is a result of its own, so that
# minutes on a GPU suffice for the first. Results in runs/; what was trained and measured before comes from the cache. Where they are not there, SVHN
# is left out and generated images stand in for the auxiliary outliers.
#   benchmarks/gpu.sh DATA_ROOT [further options of benchmarks.run and .reproduce]
# A trial on a CPU: SEEDS=0 benchmarks/gpu.sh DATA_ROOT --device cpu --limit 40 --epochs 1 --ensemble-size 2
set -euo pipefail
root=${1:?usage: benchmarks/gpu.sh DATA_ROOT [options]}
shift
read -ra seeds <<< "${SEEDS:-0 1 2}"
common=(--data-root "$root" --batch-size 256 --workers 8 --device cuda "$@")
all_seeds=(--seeds "${seeds[@]}")
dense=(--data-root "$root" --batch-size 16 --workers 8 --device cuda --seeds "${seeds[@]}" "$@")
ood=(cifar100 textures fashion-mnist cifar10-anomalies)
[ -f "$root/svhn/test_32x32.mat" ] && ood+=(svhn)
outliers=(--outliers dead-leaves)
[ -f "$root/300K_random_images/300K_random_images.npy" ] && outliers=()

cifar() { # network, seeds, methods
    python -m benchmarks.run --ind cifar10 --network "$1" --preset "fast-$1" --ood "${ood[@]}" --methods $3 \
        "${outliers[@]}" "${common[@]}" --seeds $2 --out "runs/cifar10-$1"
}

mkdir -p runs
cifar resnet18 "${seeds[0]}" post-hoc
[ ${#seeds[@]} -eq 1 ] || cifar resnet18 "${seeds[*]:1}" post-hoc
python -m pytest -q -n 0 tests/lsood/test_precision.py tests/benchmarks/test_device.py
python -m pytest -q benchmarks/speed -n 0 --benchmark-json runs/speed-gpu.json
for network in resnet18 resnet34; do
    cifar "$network" "${seeds[*]}" "post-hoc deep-ensemble outlier-exposure vmdls vmdls-base"
done
python -m benchmarks.reproduce openood-cifar10 "${outliers[@]}" "${common[@]}" "${all_seeds[@]}"
python -m benchmarks.reproduce odin-densenet-cifar10 "${common[@]}" "${all_seeds[@]}"
python -m benchmarks.run --ind camvid --network deeplabv3plus --ood camvid-anomalies road-anomaly-21 \
    --methods lared larem lard msp max-logit energy entropy odin mahalanobis knn fssd deep-ensemble mc-dropout \
    "${dense[@]}" --out runs/camvid-deeplabv3plus
python -c "
from pathlib import Path
from datamodules.miniature import write
root = Path('runs/larger-miniature')
write('bdd100k', root, sizes={'100k/train': ${DETECTION_IMAGES:-2000}, '100k/val': 300, '10k/train': 1, '10k/val': 1})
write('voc', root)
write('openimages', root)"
python -m benchmarks.run --ind bdd100k --network faster-rcnn --ood voc openimages bdd100k-anomalies "${dense[@]}" \
    --data-root runs/larger-miniature --out runs/bdd100k-larger-miniature
