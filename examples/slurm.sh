#!/bin/bash
# Trains over several nodes: sbatch examples/slurm.sh 'data/*.txt' runs/big
#SBATCH --job-name=penstock
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
# Before the machine is taken away, or the time is over, SIGTERM two minutes ahead: the run saves and ends.
#SBATCH --signal=B:TERM@120
set -uo pipefail

corpus=$1
out=$2 # on a file system that all nodes see
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
resume=()
if compgen -G "$out/training/checkpoint-*.safetensors" >/dev/null; then
  resume=(--resume)
fi

# shellcheck disable=SC2086  # a glob names many files
srun torchrun \
  --nnodes="$SLURM_NNODES" --nproc-per-node=4 --max-restarts=3 \
  --rdzv-backend=c10d --rdzv-id="$SLURM_JOB_ID" --rdzv-endpoint="$first:29500" \
  -m penstock train $corpus --out "$out" "${resume[@]}" &
training=$!
# bash runs a trap between commands alone: so it waits, and passes the signal on
trap 'kill -TERM "$training"; wait "$training"; scontrol requeue "$SLURM_JOB_ID"' TERM
wait "$training"
