"""Images through trained networks, of any size: `regions`, `tiles`, `blend`, `enlarge`; many of them: `jobs`, `pipeline`.

`api` is `srae.load_model` and `srae.upscale`.
"""
