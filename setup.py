"""paddleprune: sensitivity-analysis pruning of vision networks on PaddlePaddle."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="paddleprune",
    version="0.1.0",
    description="Sensitivity-analysis pruning of vision networks on PaddlePaddle, from data to a phone",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["paddleprune", "paddleprune.*"]),
    package_data={"paddleprune.page": ["*.html", "*.css", "*.js"]},
    data_files=[
        (f"share/paddleprune/{folder.relative_to(HERE)}", [str(p.relative_to(HERE)) for p in sorted(files)])
        for folder, files in (
            (HERE / "sensitivities", HERE.glob("sensitivities/*.json")),
            *((folder, folder.glob("*.yml")) for folder in sorted(HERE.glob("configs/*"))),
        )
    ],
    install_requires=[
        "paddlepaddle==3.3.1",  # trace.py and legacy_ops.py know its insides
        "setuptools",  # Paddle imports it, and declares it for Python 3.12 alone
        "numpy<2",
        "opencv-python-headless",
        "pyyaml",
        "tqdm",
        "matplotlib",
        "fonttools",
        "pillow",
        "scikit-learn",
        "scipy",
        "plotly",
        "pycocotools",
        "visualdl",
    ],
    extras_require={
        "lite": ["paddlelite==2.13rc0; python_version < '3.11'"],
        "onnx": ["paddle2onnx==2.1.0", "onnx==1.17.0", "onnxruntime==1.23.2"],
        "openvino": ["openvino==2025.4.1"],
        "mnn": ["MNN==3.6.1", "paddle2onnx==2.1.0", "onnx==1.17.0", "onnxruntime==1.23.2"],
        # and, as it declares PyTorch, which its converter of ONNX does without: pip install --no-deps pnnx==20261020
        "ncnn": ["ncnn==1.0.20261020", "paddle2onnx==2.1.0", "onnx==1.17.0", "onnxruntime==1.23.2"],
        "ray": ["ray==2.60.0"],
        # What PaddleSeg, whose network UNet is, imports. PaddleSeg itself declares opencv-python<=4.6.0, which pip
        # would lay over opencv-python-headless, and `import cv2` fails then: pip install --no-deps paddleseg==2.8.0
        "seg": ["requests"],
        "fonts": ["mplfonts"],  # class names in Chinese, Japanese and Korean, where the system has no font
        "dev": [
            "pytest",
            "pytest-timeout",
            "pytest-xdist",
            "hypothesis",
            "ruff",
            "mypy",
            "types-PyYAML",
            "paddleslim",
            "playwright",
            "mkdocs-material",
            "mkdocstrings[python]",
            "pymdown-extensions<11",  # mkdocstrings 1.0 calls it as it was
        ],
    },
    entry_points={"console_scripts": ["paddleprune=paddleprune.cli:console"]},
)
