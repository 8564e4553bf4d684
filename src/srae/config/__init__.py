"""The config of an experiment: typed sections (`experiment`, `data_sets`), read from YAML by `loading`.

`yaml_text` is the only reader of YAML; `stored` upgrades configs of older run folders.  No torch.
"""
