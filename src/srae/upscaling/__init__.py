"""Images through trained networks, of any size: `regions`, `tiles`, `blend`, `enlarge`; many: `jobs`, `pipeline`.

`api` is `srae.load_model` and `srae.upscale`.
"""
