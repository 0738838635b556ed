"""The signature of Huawei Cloud Live's recording callbacks, and callbacks signed afresh."""
