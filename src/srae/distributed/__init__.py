"""One training over several processes: how they meet, add up and notice each other's end.

The engine is `torch.distributed` (gloo on CPUs, NCCL on GPUs), the launcher torchrun.
"""
