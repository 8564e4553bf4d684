"""What an experiment is: its typed sections (`experiment`), read from YAML with every mistake told (`loading`).

`yaml_text` is the only reader of YAML.  No torch.
"""
