"""What the reports themselves say, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triptych.records import Prediction, Retold

__all__ = ["Words", "chosen_text", "generated_text", "parts_text", "words_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Texts of the reports; the defaults are English."""

    tag: str = "en"
    duration: str = "Duration"
    labels: str = "Labels"
    label: str = "Label"
    share: str = "Share"
    probability: str = "Probability"
    value: str = "Value"
    summary: str = "Summary"
    key_moments: str = "Key moments"
    chapter: str = "Chapter {}"
    chapters: str = "Chapters"
    keyphrases: str = "Key phrases"
    said: str = "What was said"
    part_representative: str = "typical"
    part_novel: str = "new"
    part_audible: str = "loud"
    part_spoken: str = "spoken"
    part_moving: str = "moving"
    part_important: str = "important to the model"
    part_redundant: str = "seen before"
    generated: str = (
        "Written by a language model ({}) from the sources at the times named; it may be wrong"
    )
    ungrounded: str = "Sentences without a source, left out: {}"
    chosen_freely: str = "chosen without training"
    chosen_by_labels: str = "chosen with the importance that {} gives to moments for its labels"
    chosen_by_people: str = "chosen with importance that {} learned from people's scores"
    transcript: str = "Transcript"
    warnings: str = "Warnings"
    details: str = "Details"
    timeline: str = "Timeline"
    shots: str = "Shots"
    loudness: str = "Loudness"
    spoken: str = "Words"
    evidence: str = "Evidence"
    image: str = "image"
    motion: str = "motion"
    audio: str = "audio"
    text: str = "text"
    video: str = "Video"
    sound: str = "Sound"
    reel: str = "Highlights"
    frames: str = "Frames"
    files: str = "Files"
    configuration: str = "Configuration"
    weights: str = "Weights"
    versions: str = "Versions"
    tracks: str = "Tracks"
    filter: str = "Filter"
    find_words: str = "Find words"
    more_cues: str = "{} more in transcript.vtt"
    no_words: str = "No words were found in this video."
    fallback_reel: str = "This browser cannot play the original; the highlights are shown instead."
    fallback_frames: str = "This browser cannot play the original; its frames are shown instead."
    timeline_help: str = "Click to seek. Arrow keys move by one second, with Shift by ten."
    zero_shot: str = "labels ranked without training"
    trained: str = "labels by {}"
    videos: str = "Videos"
    sort: str = "Sort by"
    by_path: str = "Path"
    by_duration: str = "Duration"
    by_state: str = "State"
    failures: str = "Failed"
    stage: str = "Stage"
    error: str = "Error"
    remedy: str = "What to do"
    nothing_found: str = "No video matches."
    similar: str = "Similar videos"
    twins: str = "Nearly the same"
    all: str = "All"
    play: str = "Open report"
    total: str = "in total"
    done: str = "done"
    cached: str = "cached"
    partial: str = "partial"
    failed: str = "failed"
    skipped: str = "skipped"


_CHINESE = Words(
    tag="zh",
    duration="时长",
    labels="标签",
    label="标签",
    share="占比",
    probability="概率",
    value="数值",
    summary="摘要",
    key_moments="关键时刻",
    chapter="第 {} 章",
    chapters="章节",
    keyphrases="关键词",
    said="片中的话",
    part_representative="有代表性",
    part_novel="新内容",
    part_audible="响亮",
    part_spoken="有话语",
    part_moving="有动作",
    part_important="模型看重",
    part_redundant="前面已有",
    generated="由语言模型（{}）根据所注时刻的来源生成，可能有误",
    ungrounded="无来源而删去的句子：{}",
    chosen_freely="未经训练选出",
    chosen_by_labels="选取时参考了 {} 为其标签赋予各时刻的重要性",
    chosen_by_people="选取时参考了 {} 从人的评分中学到的重要性",
    transcript="字幕文本",
    warnings="注意事项",
    details="详细信息",
    timeline="时间轴",
    shots="镜头",
    loudness="响度",
    spoken="话语",
    evidence="证据",
    image="画面",
    motion="动作",
    audio="声音",
    text="文字",
    video="视频",
    sound="声音",
    reel="精彩片段",
    frames="画面帧",
    files="文件",
    configuration="配置",
    weights="权重",
    versions="版本",
    tracks="特征轨",
    filter="筛选",
    find_words="查找字词",
    more_cues="其余 {} 行见 transcript.vtt",
    no_words="该视频中没有找到文字。",
    fallback_reel="浏览器无法播放原视频，改为播放精彩片段。",
    fallback_frames="浏览器无法播放原视频，改为显示画面帧。",
    timeline_help="点击跳转；方向键移动一秒，按住 Shift 移动十秒。",
    zero_shot="未经训练的标签排序",
    trained="标签来自 {}",
    videos="视频",
    sort="排序",
    by_path="路径",
    by_duration="时长",
    by_state="状态",
    failures="失败",
    stage="阶段",
    error="错误",
    remedy="解决办法",
    nothing_found="没有符合条件的视频。",
    similar="相似的视频",
    twins="几乎一样的视频",
    all="全部",
    play="打开报告",
    total="合计",
    done="完成",
    cached="已缓存",
    partial="部分完成",
    failed="失败",
    skipped="已跳过",
)


def parts_text(parts: Mapping[str, float], words: Words) -> str:
    """What speaks for a key moment, most first.

    >>> parts_text({"novel": 0.1, "representative": 0.9, "redundant": -0.0}, Words())
    'typical +0.90, new +0.10'
    """
    shown = sorted(parts.items(), key=lambda part: -abs(part[1]))
    names = ((getattr(words, f"part_{name}", name), value) for name, value in shown)
    return ", ".join(f"{name} {value:+.2f}" for name, value in names if abs(value) >= 0.005)


def generated_text(retold: Retold, words: Words) -> str:
    """That a text is generated, by which model, and what was left out of it."""
    said = words.generated.format(retold.model)
    return f"{said}. {words.ungrounded.format(retold.dropped)}" if retold.dropped else said


def chosen_text(prediction: Prediction, words: Words) -> str:
    """What key moments were chosen by, and where importance of moments was learned."""
    if prediction.importance is None:
        return words.chosen_freely
    if prediction.judged_by:
        return words.chosen_by_people.format(prediction.judged_by)
    return words.chosen_by_labels.format(prediction.method)


def words_for(language: str) -> Words:
    """The texts for a language code; English where there are no others.

    >>> words_for("zh-Hans").labels, words_for("und").labels
    ('标签', 'Labels')
    """
    return _CHINESE if language.lower().startswith(("zh", "cmn", "chi", "zho")) else Words()
