"""What an experiment is: its typed sections (`experiment`, `data_sets`), read from YAML by `loading`.

`yaml_text` is the only reader of YAML; `stored` knows what older run folders hold.  No torch.
"""
