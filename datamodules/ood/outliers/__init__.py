"""Auxiliary outliers for training with Outlier Exposure (Hendrycks et al., ICLR 2019): images of none of the known
classes and of none of the OoD sets under test.

The authors withdrew their 80 Million Tiny Images in 2020 and publish "300K Random Images" of them instead.
"""
